"""espeak-ng in a process of its own: the library is in C, is not thread-safe, and reads what strangers wrote.

    {"text": "…", "markup": true, "voices": ["en-us+f2"]}\\n  ->  {"rate": 22050, "bytes": 81920}\\n and the samples
                                                             or  {"error": "voice"}\\n

Samples are 16 bits, one channel. It ends when its standard input does.
"""

from __future__ import annotations

import ctypes
import json
import sys
from typing import Any

SYNCHRONOUS = 2
DONT_EXIT = 0x8000
UTF8 = 1
SSML = 0x10
END_PAUSE = 0x1000
LONGEST = 30 * 60
"""Seconds of speech after which it is cut."""

_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)


class Espeak:
    """The library, loaded once."""

    def __init__(self) -> None:
        import espeakng_loader

        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        path = str(espeakng_loader.get_data_path()).encode()
        self.rate: int = self._library.espeak_Initialize(SYNCHRONOUS, 0, ctypes.c_char_p(path), DONT_EXIT)
        if self.rate <= 0:
            raise OSError("espeak-ng finds no data of its own")
        self._samples = bytearray()
        self._receive = _CALLBACK(self._received)  # kept: the library holds only a pointer
        self._library.espeak_SetSynthCallback(self._receive)

    def say(self, text: str, markup: bool, voices: list[str]) -> bytes | None:
        """None when it has none of the voices."""
        if not any(self._library.espeak_SetVoiceByName(name.encode()) == 0 for name in voices):
            return None
        self._samples = bytearray()
        data = text.encode("utf-8", "replace") + b"\0"
        flags = UTF8 | END_PAUSE | (SSML if markup else 0)
        size = ctypes.c_size_t(len(data))
        self._library.espeak_Synth(data, size, 0, 1, 0, flags, None, None)
        self._library.espeak_Synchronize()
        return bytes(self._samples)

    def _received(self, samples: int | None, count: int, _events: Any) -> int:
        if samples and count > 0:
            self._samples += ctypes.string_at(samples, 2 * count)
        return int(len(self._samples) > 2 * self.rate * LONGEST)


def main() -> None:
    """Serves requests until standard input ends."""
    espeak, out = Espeak(), sys.stdout.buffer
    for line in sys.stdin.buffer:
        request = json.loads(line)
        samples = espeak.say(request["text"], request["markup"], request["voices"])
        head = {"error": "voice"} if samples is None else {"rate": espeak.rate, "bytes": len(samples)}
        out.write(json.dumps(head).encode() + b"\n" + (samples or b""))
        out.flush()


if __name__ == "__main__":
    main()

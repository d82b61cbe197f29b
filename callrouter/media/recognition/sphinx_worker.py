"""pocketsphinx in a process of its own: a library in C, whose decoder does one thing at a time.

    {"hints": ["sales", "support"], "bytes": 8000}\\n and mu-law  ->  {"text": "sales", "confidence": 0.97}\\n

It ends when its standard input does.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

from callrouter.media.recognition.hints import END, START, grammar, phrases
from callrouter.media.recognition.wideband import FRAME_MS, MARGIN, prepared

HINTS = "hints"
DECODER_MS = 10
"""What pocketsphinx calls a frame."""
FAST = {"fwdflat": False, "maxhmmpf": 2_000}
"""For free speech: ten times as fast as it is said, and hardly more errors than it makes anyway."""
COVER = 0.7
"""A phrase of the grammar fills at least so much of what was said (measured: 0.83 and more when it was said, 0.26 and
less when something longer was). What fills less is something else with one of the phrases' sounds in it."""


class Sphinx:
    """The English model, loaded once; that of free speech when it is first needed."""

    def __init__(self) -> None:
        from pocketsphinx import Decoder

        self._decoder = Decoder
        self._strict = Decoder(lm=None, loglevel="FATAL")
        self._free: Any = None

    def hear(self, mulaw: bytes, hints: Sequence[str]) -> tuple[str, float]:
        """One of the hints, if it is like any of them; else whatever it may be."""
        sound = prepared(mulaw)
        if sound is None:
            return "", 0.0
        said = phrases(hints, lambda word: self._strict.lookup_word(word) is not None)
        if said:
            graph = self._strict.create_fsg(HINTS, START, END, grammar(said))
            self._strict.add_fsg(HINTS, graph)
            self._strict.activate_search(HINTS)
            text, confidence = _decoded(self._strict, sound)
            hint = said.get(tuple(text.split()))
            if hint is not None and _cover(self._strict) >= COVER:
                return hint, confidence
        self._free = self._free or self._decoder(loglevel="FATAL", **FAST)
        return _decoded(self._free, sound)


def _decoded(decoder: Any, sound: bytes) -> tuple[str, float]:
    """The words, and how sure the decoder is of one of them."""
    decoder.reinit_feat()  # nothing learnt from the caller before
    decoder.start_utt()
    decoder.process_raw(sound, full_utt=True)
    decoder.end_utt()
    found = decoder.hyp()
    if not found or not found.hypstr:
        return "", 0.0
    return found.hypstr, min(max(found.prob, 0.0), 1.0) ** (1 / len(found.hypstr.split()))


def _cover(decoder: Any) -> float:
    """How much of the sound between the margins is words and not silence or noise."""
    spoken = sum(one.end_frame - one.start_frame + 1 for one in decoder.seg() if one.word[0] not in "<[+")
    return float(spoken / max(decoder.n_frames() - 2 * MARGIN * FRAME_MS / DECODER_MS, 1))


def main() -> None:
    """Serves requests until standard input ends."""
    sphinx, source, out = Sphinx(), sys.stdin.buffer, sys.stdout.buffer
    for line in source:
        request = json.loads(line)
        text, confidence = sphinx.hear(source.read(request["bytes"]), request["hints"])
        head = {"text": text, "confidence": round(confidence, 3) if text else 0.0}
        out.write(json.dumps(head).encode() + b"\n")
        out.flush()


if __name__ == "__main__":
    main()

"""The engine that needs nothing but a pip package: espeak-ng, in worker processes that may crash alone."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import io
import json
import queue
import subprocess
import sys
import threading
import wave

from callrouter.media.speech import ssml
from callrouter.media.speech.speaker import SECONDS, Audio, SpeechFailed, Utterance
from callrouter.media.speech.voices import espeak_names

PACKAGE = "espeakng_loader"
WORKERS = 2


def installed() -> bool:
    """Whether `pip install callrouter[tts]` was done."""
    return importlib.util.find_spec(PACKAGE) is not None


class EspeakSpeaker:
    """Speaks with as many workers at once as there are; they are started when first needed."""

    def __init__(self, workers: int = WORKERS) -> None:
        self.version = f"espeak-ng {importlib.metadata.version(PACKAGE)}"
        self._free: queue.LifoQueue[_Worker] = queue.LifoQueue()
        self._all = [_Worker() for _ in range(workers)]
        for worker in self._all:
            self._free.put(worker)

    def say(self, utterance: Utterance) -> Audio:
        text = ssml.for_espeak(utterance.text) if utterance.markup else utterance.text
        names = espeak_names(utterance.voice, utterance.language)
        try:
            worker = self._free.get(timeout=SECONDS)
        except queue.Empty:
            raise SpeechFailed(20503, "Too many texts wait to be spoken; try again.") from None
        try:
            return worker.say({"text": text, "markup": utterance.markup, "voices": names})
        finally:
            self._free.put(worker)

    def close(self) -> None:
        for worker in self._all:
            worker.close()


class _Worker:
    """One process; started again after a crash."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def say(self, request: dict[str, object]) -> Audio:
        process = self._process = self._process or self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        watch = threading.Timer(SECONDS, process.kill)
        watch.start()
        try:
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
            head = json.loads(process.stdout.readline())
            samples = process.stdout.read(head.get("bytes", 0))
            if len(samples) < head.get("bytes", 0):
                raise EOFError
        except (OSError, ValueError, EOFError) as error:
            self.close()
            raise SpeechFailed(
                20503, f"espeak-ng ended or took more than {SECONDS:g} s; see the media service's log."
            ) from error
        finally:
            watch.cancel()
        if "error" in head:
            raise SpeechFailed(13512, "espeak-ng does not speak this language.")
        return Audio(body=_wav(samples, head["rate"]), content_type="audio/wav")

    def close(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()

    @staticmethod
    def _started() -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "callrouter.media.speech.espeak_worker"]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603


def _wav(samples: bytes, rate: int) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(samples)
    return file.getvalue()

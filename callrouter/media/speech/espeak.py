"""The engine that needs nothing but a pip package: espeak-ng, in worker processes that may crash alone."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import io
import queue
import wave

from callrouter.media.speech import ssml
from callrouter.media.speech.speaker import SECONDS, Audio, SpeechFailed, Utterance
from callrouter.media.speech.voices import espeak_names
from callrouter.media.worker import Worker, WorkerFailed

PACKAGE = "espeakng_loader"
WORKER = "callrouter.media.speech.espeak_worker"
WORKERS = 2


def installed() -> bool:
    """Whether `pip install callrouter[tts]` was done."""
    return importlib.util.find_spec(PACKAGE) is not None


class EspeakSpeaker:
    """Speaks with as many workers at once as there are; they are started when first needed."""

    def __init__(self, workers: int = WORKERS) -> None:
        self.version = f"espeak-ng {importlib.metadata.version(PACKAGE)}"
        self._free: queue.LifoQueue[Worker] = queue.LifoQueue()
        self._all = [Worker(WORKER) for _ in range(workers)]
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
            request = {"text": text, "markup": utterance.markup, "voices": names}
            head, samples = worker.ask(request, seconds=SECONDS)
        except WorkerFailed as failure:
            raise SpeechFailed(20503, f"{failure}; see the media service's log.") from failure
        finally:
            self._free.put(worker)
        if "error" in head:
            raise SpeechFailed(13512, "espeak-ng does not speak this language.")
        return Audio(body=_wav(samples, head["rate"]), content_type="audio/wav")

    def close(self) -> None:
        for worker in self._all:
            worker.close()


def _wav(samples: bytes, rate: int) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(samples)
    return file.getvalue()

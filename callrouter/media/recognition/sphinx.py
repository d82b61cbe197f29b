"""The engine that needs nothing but a pip package: pocketsphinx, in worker processes that may crash alone."""

from __future__ import annotations

import importlib.util
import os
import queue
import time

from callrouter.media.recognition.recogniser import (
    ENGINE_FAILED,
    LANGUAGE,
    Heard,
    Question,
    RecognitionFailed,
)
from callrouter.media.worker import Worker, WorkerFailed

PACKAGE = "pocketsphinx"
WORKER = "callrouter.media.recognition.sphinx_worker"
WORKERS = min(4, os.cpu_count() or 1)


def installed() -> bool:
    """Whether `pip install callrouter[stt]` was done."""
    return importlib.util.find_spec(PACKAGE) is not None


class SphinxRecogniser:
    """English only. Each worker holds some 150 MB; they are started when first needed."""

    def __init__(self, workers: int = WORKERS) -> None:
        self.at_once = workers
        self._free: queue.LifoQueue[Worker] = queue.LifoQueue()
        self._all = [Worker(WORKER) for _ in range(workers)]
        for worker in self._all:
            self._free.put(worker)

    def hear(self, question: Question, seconds: float) -> Heard:
        if question.language.lower().split("-")[0] != "en":
            raise RecognitionFailed(
                LANGUAGE,
                f"pocketsphinx knows English only, not {question.language[:20]!r}; the operator can choose "
                "another engine with CALLROUTER_RECOGNITION_ENGINE.",
            )
        ends = time.monotonic() + seconds
        try:
            worker = self._free.get(timeout=seconds)
        except queue.Empty:
            raise RecognitionFailed(ENGINE_FAILED, "All recognisers are busy; try again.") from None
        try:
            left = max(ends - time.monotonic(), 0.0)
            head, _ = worker.ask({"hints": question.hints}, question.mulaw, seconds=left)
        except WorkerFailed as failure:
            raise RecognitionFailed(
                ENGINE_FAILED, f"The recogniser failed here: {failure}; see the media service's log."
            ) from failure
        finally:
            self._free.put(worker)
        return Heard(text=head["text"], confidence=head["confidence"])

    def close(self) -> None:
        for worker in self._all:
            worker.close()

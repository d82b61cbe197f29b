"""Something that is said: from a moment before the first word to the silence after the last one."""

from __future__ import annotations

from collections import deque
from enum import StrEnum

from .packet import SAMPLES
from .silence import SpeechDetector

_BEFORE = 25  # frames kept from before the detector was sure: soft beginnings of words
_AFTER = 25  # frames of the silence at its end that a recogniser is given


class Stage(StrEnum):
    """How far it is; the last two are ends."""

    WAITING = "waiting"
    SPEAKING = "speaking"
    QUIET = "quiet"
    LONG = "long"


class Utterance:
    """Hears frames of 20 ms until `silence` of them in a row, after speech, or `longest` of them in all.

    It keeps no more than it was asked for: before the first word half a second.
    """

    def __init__(self, *, silence: int, longest: int) -> None:
        self._silence = silence
        self._longest = longest
        self._detector = SpeechDetector()
        self._before: deque[bytes] = deque(maxlen=_BEFORE)
        self._audio = bytearray()
        self.frames = 0
        """Since the speech began."""
        self.stage = Stage.WAITING

    def hear(self, frame: bytes) -> Stage:
        detector = self._detector
        if self.stage is Stage.WAITING:
            self._before.append(frame)
            detector.hear(frame)
            if detector.heard:
                self._audio += b"".join(self._before)
                self._before.clear()
                self.stage = Stage.SPEAKING
        elif self.stage is Stage.SPEAKING:
            self._audio += frame
            self.frames += 1
            detector.hear(frame)
            if detector.quiet >= self._silence:
                self.stage = Stage.QUIET
            elif self.frames >= self._longest:
                self.stage = Stage.LONG
        return self.stage

    def audio(self) -> bytes:
        """What was said so far, mu-law."""
        useless = max(0, self._detector.quiet - _AFTER) * SAMPLES
        return bytes(self._audio[: len(self._audio) - useless])

"""Whether somebody speaks, frame by frame: by energy, deaf to clicks, patient between words."""

from __future__ import annotations

import numpy as np

from . import g711
from .packet import SAMPLES

_QUIETEST = 240  # mean of the samples' magnitudes: a sine at -42 dB of full scale
_ATTACK = 3  # loud frames in a row that begin a sound: less is a click
_HANGOVER = 15  # quiet frames that do not end it yet
_STEP = 16
_LOUDNESS = (
    np.minimum(np.abs(g711.decode(bytes(range(256))).astype(int)) // _STEP, 255).astype(np.uint8).tobytes()
)
"""For `bytes.translate`: the sum of the result is one microsecond's work."""
_RATIO = 3  # how much louder than the background speech is: 10 dB
_MAX_FIRST = 400  # what is louder at the very beginning is no background, but somebody who speaks already
_RISE = 1.0023  # of the background per frame, so 1 dB a second: any voice pauses before it would be taken for that


class SilenceDetector:
    """Ask it after each frame."""

    __slots__ = ("_loud", "heard", "quiet")

    def __init__(self) -> None:
        self._loud = 0
        self.quiet = 0
        """Frames since the last sound, or since the beginning."""
        self.heard = False
        """Whether there was any sound at all."""

    def hear(self, frame: bytes) -> None:
        self.quiet += 1
        if not self._is_loud(sum(frame.translate(_LOUDNESS)) * _STEP // SAMPLES):
            self._loud = 0
            return
        self._loud += 1
        if self._loud >= _ATTACK or (self.heard and self.quiet <= _HANGOVER):
            self.heard, self.quiet = True, 0

    def _is_loud(self, level: int) -> bool:
        return level >= _QUIETEST


class SpeechDetector(SilenceDetector):
    """The same above a background that is learned: a noisy street is no speech, however loud it is.

    The background is the lowest level, and rises slowly. Silence without any noise teaches nothing: it stands for
    packets that are missing.
    """

    __slots__ = ("_background",)

    def __init__(self) -> None:
        super().__init__()
        self._background = 0.0

    def _is_loud(self, level: int) -> bool:
        if level:
            known = self._background * _RISE if self._background else _MAX_FIRST
            self._background = max(_QUIETEST / _RATIO, min(known, level))
        return level >= max(_QUIETEST, self._background * _RATIO)

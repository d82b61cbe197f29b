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
        if sum(frame.translate(_LOUDNESS)) < SAMPLES * _QUIETEST // _STEP:
            self._loud = 0
            return
        self._loud += 1
        if self._loud >= _ATTACK or (self.heard and self.quiet <= _HANGOVER):
            self.heard, self.quiet = True, 0

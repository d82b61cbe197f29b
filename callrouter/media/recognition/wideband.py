"""A telephone's sound for a recogniser that learnt from microphones: 16 kHz, and not too quiet between the words."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from callrouter.media.silence import FRAME, loud_frames
from callrouter.voice.media.g711 import decode

RATE = 16_000
FRAME_MS = 20
MARGIN = 15
"""Frames that are kept, or put, before the first loud one and after the last."""
NOISE = 0.06
"""Of the speech's level. The half of the spectrum that a telephone does not carry, and the digital silence between the
words, are unlike anything the model has heard; with this much noise in them it took 155 of 196 synthetic utterances
for what they were, in place of 92."""
_REACH = 31
_BETWEEN = np.arange(-_REACH, _REACH + 1) / 2
_KERNEL = np.sinc(_BETWEEN) * np.hamming(2 * _REACH + 1)


def prepared(mulaw: bytes) -> bytes | None:
    """Linear samples of 16 bits, from the first loud one to the last; None when there is none. The same every time."""
    loud = np.flatnonzero(loud_frames(mulaw, 1))
    if not len(loud):
        return None
    first, last = int(loud[0]), int(loud[-1]) + 1
    samples = decode(mulaw).astype(np.float64)
    level = np.sqrt(np.mean(np.square(samples[first * FRAME : last * FRAME])))
    begin = max(first - MARGIN, 0)
    kept = samples[begin * FRAME : (last + MARGIN) * FRAME]
    before = (MARGIN - (first - begin)) * FRAME
    after = max((last + MARGIN) * FRAME - len(samples), 0)
    wide = _doubled(np.pad(kept, (before, after)))
    wide += np.random.default_rng(0).normal(0, NOISE * level, len(wide))
    return np.clip(np.rint(wide), -32768, 32767).astype("<i2").tobytes()


def _doubled(samples: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Twice the rate; nothing above the old band."""
    spread = np.zeros(2 * len(samples))
    spread[::2] = samples
    return np.convolve(spread, _KERNEL, "same")

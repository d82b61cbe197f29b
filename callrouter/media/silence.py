"""What is quiet in a recording."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from callrouter.voice.media.g711 import decode

FRAME = 160
"""Samples in 20 ms."""
QUIET = 200.0
"""Root mean square of a frame below which it is quiet: -44 dB of full scale, above a telephone line's noise."""


BLOCK = 3_000
"""Frames that are looked at together: a long recording is never in memory as numbers as a whole."""


def loud_frames(mulaw: bytes, channels: int) -> npt.NDArray[np.bool_]:
    """For each 20 ms, a cut last one too, whether any channel is loud. Channels are interleaved bytes."""
    size = FRAME * channels
    whole = memoryview(mulaw)[: len(mulaw) // channels * channels]
    blocks = (whole[at : at + BLOCK * size] for at in range(0, len(whole), BLOCK * size))
    return np.concatenate([np.zeros(0, np.bool_), *(_loud(block, channels) for block in blocks)])


def _loud(mulaw: memoryview, channels: int) -> npt.NDArray[np.bool_]:
    samples = decode(mulaw.tobytes()).reshape(-1, channels)
    padded = np.zeros((-(-len(samples) // FRAME) * FRAME, channels), np.float32)
    padded[: len(samples)] = samples
    power = np.square(padded).reshape(-1, FRAME, channels).mean(axis=1)
    return np.asarray((power >= QUIET**2).any(axis=1))


def trimmed(mulaw: bytes, channels: int) -> bytes:
    """Without the quiet frames at both ends; empty when there are no others (Twilio's `trim-silence`)."""
    loud = np.flatnonzero(loud_frames(mulaw, channels))
    if not len(loud):
        return b""
    size = FRAME * channels
    return mulaw[loud[0] * size : (loud[-1] + 1) * size]

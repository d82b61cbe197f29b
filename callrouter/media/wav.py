"""WAV files of 16-bit PCM, which every player and every recogniser knows."""

from __future__ import annotations

import io
import wave

from callrouter.media.conversion import RATE
from callrouter.voice.media.g711 import decode

BLOCK = 1_000_000
"""Samples that are converted together: an even number."""


def of_mulaw(mulaw: bytes, channels: int = 1) -> bytes:
    """Channels are interleaved bytes."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(2)
        writer.setframerate(RATE)
        for at in range(0, len(mulaw), BLOCK):
            writer.writeframes(decode(mulaw[at : at + BLOCK]).astype("<i2").tobytes())
    return file.getvalue()

"""What an end says: endless frames of 20 ms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Protocol

import numpy as np

from callrouter.audio.wav import read_wav
from callrouter.voice.media.g711 import Samples
from callrouter.voice.media.packet import SAMPLE_RATE, SAMPLES

SILENT = np.zeros(SAMPLES, np.int16)


class Source(Protocol):
    """Something to say; each call of `frames` says it from the start."""

    def frames(self) -> Iterator[Samples]: ...


@dataclass(frozen=True, kw_only=True)
class Silence:
    def frames(self) -> Iterator[Samples]:
        return repeat(SILENT)


@dataclass(frozen=True, kw_only=True)
class Tone:
    """A sine without end. `level` is 0 to 1 of full scale; ValueError above what PCMU can carry."""

    hz: float
    level: float = 0.3

    def __post_init__(self) -> None:
        if not 0 < self.hz < SAMPLE_RATE / 2:
            raise ValueError(f"{self.hz} Hz is no telephone tone: give more than 0 and less than 4000")
        if not 0 < self.level <= 1:
            raise ValueError(f"a level of {self.level} is not above 0 and up to 1")

    def frames(self) -> Iterator[Samples]:
        step = 2 * np.pi * self.hz / SAMPLE_RATE
        phase, ramp = 0.0, step * np.arange(SAMPLES)
        while True:
            yield (np.sin(phase + ramp) * self.level * 32767).astype(np.int16)
            phase = (phase + step * SAMPLES) % (2 * np.pi)


@dataclass(frozen=True, kw_only=True, eq=False)
class Sound:
    """Samples once, then silence."""

    samples: Samples

    def frames(self) -> Iterator[Samples]:
        for start in range(0, len(self.samples), SAMPLES):
            frame = self.samples[start : start + SAMPLES]
            yield np.pad(frame, (0, SAMPLES - len(frame)))
        yield from repeat(SILENT)


@dataclass(frozen=True, kw_only=True)
class Recording:
    """A WAV file once, then silence. Its faults are reported when it is made, not during the call."""

    path: Path

    def __post_init__(self) -> None:
        read_wav(self.path)

    def frames(self) -> Iterator[Samples]:
        return Sound(samples=read_wav(self.path)).frames()


def source(tone: float | None, wav: Path | None) -> Source:
    """What the options `--tone` and `--wav` ask for; neither: silence."""
    if wav is not None:
        return Recording(path=wav)
    return Silence() if tone is None else Tone(hz=tone)

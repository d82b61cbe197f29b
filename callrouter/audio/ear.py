"""What an end hears: the latest half minute, judged by frequency, and the whole of it in a file if wanted."""

from __future__ import annotations

import asyncio
from collections import deque
from pathlib import Path

import numpy as np

from callrouter.audio.wav import WavWriter
from callrouter.voice.media.g711 import Samples
from callrouter.voice.media.packet import SAMPLE_RATE

MEMORY = 30
"""Seconds that are kept."""
QUIET = 100.0
"""Root mean square below which sound counts as silence: about -50 dB of full scale."""


def dominant_hz(samples: Samples) -> float | None:
    """The strongest frequency, to about a hertz when a second is given; None for silence or under 20 ms."""
    if len(samples) < SAMPLE_RATE // 50:
        return None
    wave = samples.astype(np.float64)
    if np.sqrt(np.mean(wave**2)) < QUIET:
        return None
    size = max(len(wave), SAMPLE_RATE)  # zero padding: bins of at most 1 Hz
    spectrum = np.abs(np.fft.rfft((wave - wave.mean()) * np.hanning(len(wave)), size))
    return float(np.argmax(spectrum)) * SAMPLE_RATE / size


class Ear:
    """Takes samples as they come. `record`: a WAV file of all of them, made when the first ones come."""

    def __init__(self, record: Path | None = None) -> None:
        self._chunks: deque[Samples] = deque()
        self._kept = 0
        self._record = record
        self._file: WavWriter | None = None
        self._waiting: set[asyncio.Future[None]] = set()
        self.samples = 0
        """How many were heard in all."""

    def take(self, samples: Samples) -> None:
        self._chunks.append(samples)
        self._kept += len(samples)
        self.samples += len(samples)
        while self._kept > MEMORY * SAMPLE_RATE:
            self._kept -= len(self._chunks.popleft())
        if self._record and self._file is None:
            self._file = WavWriter(self._record)
        if self._file:
            self._file.write(samples)
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)

    def last(self, seconds: float) -> Samples:
        """What was heard last, at most `seconds` of it."""
        samples = np.concatenate([np.zeros(0, np.int16), *self._chunks])
        return samples[-round(min(seconds, MEMORY) * SAMPLE_RATE) :]

    def latest(self, seconds: float) -> float | None:
        """The dominant frequency, in Hz, of the last `seconds` that were heard."""
        return dominant_hz(self.last(seconds))

    async def heard(self, seconds: float, patience: float = 5.0) -> float | None:
        """Listens to the next `seconds`: the dominant frequency in Hz, or None for silence.

        TimeoutError when `patience` more seconds brought too few packets: the audio does not flow.
        """
        goal = self.samples + round(min(seconds, MEMORY) * SAMPLE_RATE)
        async with asyncio.timeout(seconds + patience):
            while self.samples < goal:
                news = asyncio.get_running_loop().create_future()
                self._waiting.add(news)
                try:
                    await news
                finally:
                    self._waiting.discard(news)
        return self.latest(seconds)

    def close(self) -> None:
        """Ends the recording. Idempotent."""
        if self._file:
            self._file.close()
        self._file = self._record = None

"""WAV files in and out: 16-bit PCM."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np

from callrouter.voice.media.g711 import Samples
from callrouter.voice.media.packet import SAMPLE_RATE

LONGEST = 600
"""Seconds of a file that are read: a bound on memory, 10 MB."""


class WavError(ValueError):
    """The file is no WAV file that we can play; the text says what to convert."""


def read_wav(path: Path) -> Samples:
    """The file as 8,000 Hz mono, channels averaged, resampled. WavError, or OSError if unreadable."""
    try:
        with wave.open(str(path), "rb") as file:
            channels, width, rate = file.getnchannels(), file.getsampwidth(), file.getframerate()
            data = file.readframes(LONGEST * rate)
    except (wave.Error, EOFError) as error:
        raise WavError(f"{path} is not a PCM WAV file: {error}") from error
    if width != 2 or rate < 1:
        raise WavError(f"{path} has {8 * width} bits at {rate} Hz; convert it to 16-bit PCM")
    whole = len(data) - len(data) % (2 * channels)
    mono = np.frombuffer(data[:whole], "<i2").reshape(-1, channels).mean(axis=1)
    return mono.astype(np.int16) if rate == SAMPLE_RATE else _resample(mono, rate)


def _resample(samples: np.ndarray[tuple[int], np.dtype[np.float64]], rate: int) -> Samples:
    """Through the spectrum: what is above 4 kHz is cut, so nothing folds back into the voice band."""
    count = len(samples) * SAMPLE_RATE // rate
    if count == 0:
        return np.zeros(0, np.int16)
    spectrum = np.fft.rfft(samples)
    wanted = np.zeros(count // 2 + 1, np.complex128)
    kept = min(len(spectrum), len(wanted))
    wanted[:kept] = spectrum[:kept]
    return np.clip(np.fft.irfft(wanted, count) * count / len(samples), -32768, 32767).astype(np.int16)


class WavWriter:
    """Writes a recording as it comes, so that a killed process leaves all but the last moment."""

    def __init__(self, path: Path) -> None:
        self._file = wave.open(str(path), "wb")  # noqa: SIM115 - closed by close()
        self._file.setnchannels(1)
        self._file.setsampwidth(2)
        self._file.setframerate(SAMPLE_RATE)

    def write(self, samples: Samples) -> None:
        self._file.writeframes(samples.astype("<i2").tobytes())

    def close(self) -> None:
        """Idempotent."""
        self._file.close()

"""Tones as ready frames of 20 ms mu-law: call progress (ITU-T E.180, North America; ringback of many countries)
and keypad (Q.23)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from .g711 import SILENCE, encode
from .packet import SAMPLE_RATE, SAMPLES
from .ringback import RINGBACKS

SILENT_FRAME = bytes([SILENCE]) * SAMPLES

_ROWS = (697, 770, 852, 941)
_COLUMNS = (1209, 1336, 1477, 1633)
_KEYS = "123A456B789C*0#D"


@dataclass(frozen=True, kw_only=True)
class Tone:
    """Frequencies in Hz, level 0 to 1 of full scale each, cadence in seconds; `loop`: until stopped.

    `gap`: there are two sounds, so far apart, before the silence. `swing`: how often a second the loudness goes
    down to nothing and back.
    """

    frequencies: tuple[int, ...]
    level: float = 0.12
    on: float
    off: float = 0.0
    gap: float = 0.0
    swing: int = 0
    loop: bool = True


TONES: dict[str, Tone] = {
    "ringback": Tone(frequencies=(440, 480), on=2.0, off=4.0),
    "busy": Tone(frequencies=(480, 620), on=0.5, off=0.5),
    "reorder": Tone(frequencies=(480, 620), on=0.25, off=0.25),
    "beep": Tone(frequencies=(1000,), on=0.5, loop=False),
}
"""The names that `leg.play` knows; also `ringback-` and a country of `<Dial ringTone>`."""

for _country, _ringback in RINGBACKS.items():
    _sum, _, _swing = _ringback.sound.partition("*")
    TONES[f"ringback-{_country}"] = Tone(
        frequencies=tuple(map(int, _sum.split("+"))),
        on=_ringback.on,
        off=_ringback.off,
        gap=_ringback.gap,
        swing=int(_swing or 0),
    )


@cache
def frames(tone: Tone) -> tuple[bytes, ...]:
    """One period of the tone. Every period is a whole number of frames."""
    sound = encode(_wave(tone))
    if tone.gap:
        sound += _silence(tone.gap) + sound
    sound += _silence(tone.off)
    return tuple(sound[start : start + SAMPLES] for start in range(0, len(sound), SAMPLES))


def _silence(seconds: float) -> bytes:
    return bytes([SILENCE]) * round(seconds * SAMPLE_RATE)


def _wave(tone: Tone) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    time = np.arange(round(tone.on * SAMPLE_RATE)) / SAMPLE_RATE
    wave = np.sum([np.sin(2 * np.pi * hz * time) for hz in tone.frequencies], axis=0)
    if tone.swing:
        wave = wave * (1 - np.cos(2 * np.pi * tone.swing * time)) / 2
    return np.asarray(wave * tone.level * 32767, dtype=np.float64)


def keypad(digit: str, seconds: float) -> Tone:
    """The two tones of a key (0-9, *, #, A-D). `ValueError` for another character."""
    row, column = divmod(_KEYS.index(digit), 4)
    return Tone(frequencies=(_ROWS[row], _COLUMNS[column]), level=0.25, on=seconds, loop=False)

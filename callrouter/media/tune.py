"""A quiet tune of our own for those who wait: 24 seconds that begin again where they end."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from callrouter.media.conversion import RATE
from callrouter.voice.media.g711 import encode

BEAT = 6_000
"""Samples: 80 beats a minute."""
LEVEL = 0.1
"""Root mean square against full scale: -20 dB, a voice's level."""
FULL_SCALE = 32_768
CHORDS = ("C3 E4 G4 C5", "A2 C4 E4 A4", "F2 C4 F4 A4", "G2 B3 D4 G4") * 2
"""A bar each: the bass, and what is played above it in eighths."""
MELODY = (
    "E5:2 G5:1 E5:1 C5:3 -:1 A4:2 C5:1 A4:1 B4:3 -:1 E5:1 G5:2 A5:1 G5:2 E5:2 F5:1 E5:1 C5:2 D5:1 B4:1 C5:2"
)
"""Notes and their beats."""
_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_OVERTONES = (1.0, 0.35, 0.12, 0.05)
_BAR = 4 * BEAT


def tune() -> bytes:
    """Mu-law. Notes that still sound at the end go on at the beginning, so that no loop is heard."""
    sound = np.zeros(len(CHORDS) * _BAR)
    for bar, chord in enumerate(CHORDS):
        bass, *upper = chord.split()
        _play(sound, bar * _BAR, bass, 0.5, 1.2)
        for eighth, number in enumerate((0, 1, 2, 1, 0, 1, 2, 1)):
            _play(sound, bar * _BAR + eighth * BEAT // 2, upper[number], 0.25, 0.5)
    at = 0
    for note in MELODY.split():
        name, beats = note.split(":")
        if name != "-":
            _play(sound, at, name, 0.6, 0.9)
        at += int(beats) * BEAT
    return encode(sound * (LEVEL * FULL_SCALE / np.sqrt(np.mean(np.square(sound)))))


def _play(sound: npt.NDArray[np.float64], at: int, name: str, loud: float, decay: float) -> None:
    """A plucked note: it rises in 10 ms and has faded to a third after `decay` seconds."""
    time = np.arange(int(4 * decay * RATE)) / RATE
    pitch = 440 * 2 ** ((_STEPS[name[0]] - 9 + 12 * (int(name[1]) - 4)) / 12)
    shape = loud * np.minimum(time / 0.01, 1) * np.exp(-time / decay)
    shape *= np.linspace(1, 0, len(shape))  # so that it ends without a click
    wave = sum(part * np.sin(2 * np.pi * number * pitch * time) for number, part in enumerate(_OVERTONES, 1))
    np.add.at(sound, (at + np.arange(len(time))) % len(sound), shape * wave)

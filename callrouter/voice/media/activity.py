"""Whether somebody in a room is worth mixing, and whether they speak: by energy, with hysteresis."""

from __future__ import annotations

# Levels are means of magnitudes, as `mixer.levels` gives them.
_AUDIBLE = 48  # a sine at -56 dB of full scale; below it a line only hisses
_SPEECH = 240  # -42 dB, as in `silence.py`
_FADE = 15  # frames until what has become quiet is not mixed any more: the ends of words are soft
_ATTACK = 3  # loud frames more than quiet ones that begin speech: less is a click
_RELEASE = 30  # quiet frames in a row that end it: less is a pause between words


class Activity:
    """Ask it after each frame of 20 ms."""

    __slots__ = ("_loud", "_pause", "_quiet", "audible", "speaking")

    def __init__(self) -> None:
        self._loud = self._pause = self._quiet = 0
        self.audible = False
        """From the first frame that is more than hiss, until 0.3 s after the last."""
        self.speaking = False
        """From the third loud frame until 0.6 s after the last."""

    def hear(self, level: int) -> None:
        if level >= _AUDIBLE:
            self.audible, self._quiet = True, 0
        else:
            self._quiet += 1
            self.audible = self.audible and self._quiet < _FADE
        if level >= _SPEECH:
            self._loud, self._pause = min(self._loud + 1, _ATTACK), 0
            self.speaking = self.speaking or self._loud == _ATTACK
        else:
            self._loud, self._pause = max(self._loud - 1, 0), self._pause + 1
            self.speaking = self.speaking and self._pause < _RELEASE

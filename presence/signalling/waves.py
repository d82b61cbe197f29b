"""Which endpoints of an invite ring at a moment: a pure function, so all nodes and all restarts say the same (PR-51).

An invite rings its waves one after the other. The next one starts when its predecessor has rung for `every` seconds,
or as soon as nobody is left in it: declined, vanished, busy. The last one rings until the invite ends. Moments are
Unix seconds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf

Waves = Sequence[Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class Turn:
    """The wave whose turn it is, those of it who are still asked, and when the next one's turn comes (`inf`: never)."""

    wave: int
    asked: frozenset[str]
    ends: float


def turn(waves: Waves, every: float, since: float, now: float, out: Mapping[str, float]) -> Turn:
    """Whose turn it is at `now` for an invite of the moment `since`; `out`: who fell out, and when."""
    last = len(waves) - 1
    for number, wave in enumerate(waves):
        left = max((out.get(one, inf) for one in wave), default=since)
        ends = inf if number == last else min(since + every, max(since, left))
        if now < ends:
            return Turn(wave=number, asked=frozenset(wave) - out.keys(), ends=ends)
        since = ends
    return Turn(wave=0, asked=frozenset(), ends=inf)

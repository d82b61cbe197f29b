"""At which moments messages may leave, so that a carrier never gets more than its rate (PQ-3).

Each message takes a slot as long as its segments need, and slots do not overlap: never more than `rate` segments in a
second, counted from the start of any message, and no credit for time in which nothing was sent.
"""

from collections.abc import Iterable
from dataclasses import dataclass

AHEAD = 0.1
"""Seconds: slots that begin later are left to the next claim, so that little is claimed that does not leave."""


@dataclass(frozen=True, kw_only=True)
class Slots:
    """When each message leaves, as many of them as have a slot by now; and when the next slot begins."""

    leave_at: tuple[float, ...]
    next_at: float


def slots(segments: Iterable[int], *, rate: float, next_at: float, now: float) -> Slots:
    """`rate`: segments a second; 0 is no limit. `next_at`: when the carrier's next slot begins."""
    leave_at: list[float] = []
    for count in segments:
        start = max(next_at, now)
        if start > now + AHEAD:
            break
        leave_at.append(start)
        if rate:
            next_at = start + count / rate
    return Slots(leave_at=tuple(leave_at), next_at=next_at)

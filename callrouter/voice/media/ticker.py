"""The node's one 20 ms clock: everything that makes audio by itself is driven from here."""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

from .packet import FRAME_SECONDS

log = logging.getLogger(__name__)


class Ticking(Protocol):
    def tick(self, now: float) -> None:
        """20 ms have passed. `now` is the nominal moment, so that steps are exactly 20 ms."""


class Ticker:
    """Runs only while it has members; a late wake-up skips what cannot be made good."""

    def __init__(self) -> None:
        self._members: dict[Ticking, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0

    def __len__(self) -> int:
        return len(self._members)

    def add(self, member: Ticking) -> None:
        self._members[member] = None
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._due = loop.time() + FRAME_SECONDS
            self._timer = loop.call_at(self._due, self._tick)

    def discard(self, member: Ticking) -> None:
        self._members.pop(member, None)

    def close(self) -> None:
        self._members.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        for member in tuple(self._members):
            try:
                member.tick(self._due)
            except Exception:  # one broken leg must not silence all others
                log.exception("a leg failed in the ticker and was taken out")
                self.discard(member)
        if not self._members:
            self._timer = None
            return
        behind = int((loop.time() - self._due) / FRAME_SECONDS)
        self._due += FRAME_SECONDS * (1 + (behind if behind > 5 else 0))
        self._timer = loop.call_at(self._due, self._tick)

"""Events that the router has not acknowledged yet, in order. Kept so that a router may die and come back."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Iterator

from .contract import VoiceEvent

log = logging.getLogger(__name__)


class Journal:
    """Bounded: beyond `limit` the oldest event is given up, and counted in `lost`."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._pending: OrderedDict[str, VoiceEvent] = OrderedDict()
        self.lost = 0

    def __iter__(self) -> Iterator[VoiceEvent]:
        return iter(tuple(self._pending.values()))

    def __len__(self) -> int:
        return len(self._pending)

    def add(self, event: VoiceEvent) -> None:
        self._pending[event.event_id] = event
        if len(self._pending) > self._limit:
            _, dropped = self._pending.popitem(last=False)
            self.lost += 1
            log.error("no router took %s of leg %s: given up", dropped.type, dropped.leg)

    def ack(self, event_id: str) -> None:
        """The router has it; an unknown id is an old acknowledgement."""
        self._pending.pop(event_id, None)

"""What the simulated carrier tells the router about its calls: in order, with the faults that are set."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from callrouter.carriers.simulator.call import SimulatedCall
from callrouter.carriers.simulator.link import (
    ATTEMPTS_OF_EVENTS,
    CallRefused,
    RouterLink,
    RouterUnreachable,
)
from callrouter.carriers.simulator.script import Faults


class Told(Protocol):
    """A call or a message: what is told is about one."""

    @property
    def id(self) -> str: ...


Tell = Callable[[Told, str], None]
LAST = ("hangup", "failed")
"""After these no event of the call follows, so they are never held back."""


class EventSender:
    """`faults` may be changed at any time. A refusal is told on, not raised: the call goes on without it."""

    def __init__(self, link: RouterLink, carrier: str, tell: Tell) -> None:
        self.faults = Faults()
        self._link, self._carrier, self._tell = link, carrier, tell
        self._turns: WeakKeyDictionary[SimulatedCall, asyncio.Lock] = WeakKeyDictionary()
        self._held: WeakKeyDictionary[SimulatedCall, Mapping[str, Any]] = WeakKeyDictionary()

    async def __call__(self, call: SimulatedCall, type: str, fields: Mapping[str, Any]) -> None:
        event = {"event_id": f"{call.id[:64]}-{uuid.uuid4().hex[:12]}", "type": type, **fields}
        held = self._held.pop(call, None)
        if self.faults.reorder and held is None and type not in LAST:
            self._held[call] = event
            return
        batch = [event] if held is None else [event, held]
        async with self._turns.setdefault(call, asyncio.Lock()):
            await asyncio.sleep(self.faults.late)
            for each in batch * (1 + self.faults.duplicates):
                await self._post(call, each)

    async def _post(self, call: SimulatedCall, event: Mapping[str, Any]) -> None:
        try:
            path = f"/carriers/{self._carrier}/calls/{call.id}/events"
            await self._link.post(path, event, self.faults, ATTEMPTS_OF_EVENTS)
        except (CallRefused, RouterUnreachable) as error:
            self._tell(call, f"the router did not take {event['type']}: {error}")
        else:
            self._tell(call, f"told the router: {event['type']}")

"""Who listens at this node for a client's messages: sockets and streams, each for one device."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import structlog

from presence.client_messages.store import Identity, TextStore

log = structlog.get_logger(__name__)

Shown = dict[str, Any]
Take = Callable[[Sequence[Shown]], Awaitable[None]]
RETRY = 1.0
"""Seconds until the database is asked again, after it could not be read."""
SOONEST, LONGEST = 1.0, 8.0
"""Seconds between looks at what was kept back."""
REMEMBERED = 500
"""Messages of which a connection knows that it has been given them."""


class Listener:
    """One connection of one device; `take` gets messages in their order. `early`: it may register its device later."""

    def __init__(self, identity: Identity, endpoint_id: str, take: Take, *, early: bool) -> None:
        self.identity, self.endpoint_id, self.take, self.early = identity, endpoint_id, take, early
        self.given: dict[str, None] = {}
        self.open = self.again = True
        self.kept_back = self.full = False
        self.rest = SOONEST
        self.next_look = 0.0
        self.task: asyncio.Task[None] | None = None


class Inboxes:
    """The listeners of this node. What a connection was given is not given to it again; what its device has not
    acknowledged then is given to the device's next one."""

    def __init__(self, store: TextStore, now: Callable[[], float]) -> None:
        self._store, self._now = store, now
        self._listeners: dict[Identity, set[Listener]] = {}

    def listen(self, identity: Identity, endpoint_id: str, take: Take, *, early: bool = False) -> Listener:
        """Gives what waits for the device, and what comes, until `leave`. The messages come from a task of ours."""
        listener = Listener(identity, endpoint_id, take, early=early)
        self._listeners.setdefault(identity, set()).add(listener)
        self._look(listener)
        return listener

    def leave(self, listener: Listener) -> None:
        listener.open = False
        mine = self._listeners.get(listener.identity, set())
        mine.discard(listener)
        if not mine:
            self._listeners.pop(listener.identity, None)
        if listener.task is not None:
            listener.task.cancel()

    def arrived(self, identity: Identity) -> None:
        """There may be something new for the client."""
        for listener in self._listeners.get(identity, ()):
            self._look(listener)

    def acknowledged(self, identity: Identity, endpoint_id: str) -> None:
        """The device has made room for more."""
        for listener in self._listeners.get(identity, ()):
            if listener.endpoint_id == endpoint_id and listener.full:
                self._look(listener)

    @property
    def listeners(self) -> int:
        return sum(map(len, self._listeners.values()))

    def look_again(self) -> None:
        """At what was kept back: the device may be registered, or its status let messages through, by now. The longer
        that takes, the less often."""
        now = self._now()
        for listeners in self._listeners.values():
            for listener in listeners:
                if listener.kept_back and now >= listener.next_look:
                    listener.next_look = now + listener.rest
                    listener.rest = min(2 * listener.rest, LONGEST)
                    self._look(listener)

    def _look(self, listener: Listener) -> None:
        listener.again = True
        if listener.task is None:
            listener.task = asyncio.get_running_loop().create_task(self._run(listener))

    async def _run(self, listener: Listener) -> None:
        try:
            while listener.again and listener.open:
                listener.again = False
                try:
                    await self._give(listener)
                except Exception as error:  # the database can't be read, or the connection is going
                    log.warning("a client's messages could not be given", error=repr(error))
                    listener.again = True
                    await asyncio.sleep(RETRY)
        finally:
            listener.task = None

    async def _give(self, listener: Listener) -> None:
        found = await asyncio.to_thread(
            self._store.waiting, *listener.identity, listener.endpoint_id, self._now()
        )
        listener.kept_back = found.kept_back or (listener.early and not found.there)
        listener.full = found.full
        if not listener.kept_back:
            listener.rest = SOONEST
        new = [one for one in found.shown if one["sid"] not in listener.given]
        if new and listener.open:
            listener.given |= dict.fromkeys(one["sid"] for one in new)
            for sid in list(listener.given)[:-REMEMBERED]:
                del listener.given[sid]
            await listener.take(new)

"""The senders of one process, one for each carrier that has something to send: none waits for another (PQ-1)."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import structlog
from sqlalchemy import Connection, exists, literal, select, union_all
from sqlalchemy.exc import DBAPIError

from callrouter.messages.queue.claims import QUEUE, WAITING
from callrouter.messages.queue.sender import Desk, Sender
from callrouter.messages.transport import PRESENCE, Transport
from callrouter.models import Carrier

log = structlog.get_logger(__name__)

POLL_SECONDS = 0.5
"""How soon what other processes queue is seen, and what waits for another try."""
SHORTEST_ROUND = 0.005
"""Seconds between two looks at the queues, however many ask for one."""


def _has(carrier: Any) -> Any:
    return exists().where(QUEUE.c.carrier == carrier, QUEUE.c.state == WAITING)


_WAITING = union_all(
    select(Carrier.name).where(Carrier.status == "active", Carrier.messages, _has(Carrier.name)),
    select(literal(PRESENCE)).where(_has(PRESENCE)),
)


class Senders:
    """Belongs to the event loop."""

    def __init__(self, desk: Desk, transports: Mapping[str, Transport]) -> None:
        """`transports`: by the carrier's name; under "" the one of all that are not named."""
        self._desk, self._transports = desk, transports
        self._running: dict[str, Sender] = {}
        self._poked = asyncio.Event()
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await asyncio.gather(*(sender.stop() for sender in self._running.values()))
        self._running.clear()

    def poke(self) -> None:
        """Something was queued."""
        self._poked.set()

    async def _run(self) -> None:
        while True:
            self._poked.clear()
            try:
                for carrier in await asyncio.to_thread(self._waiting):
                    self._sender(carrier).wake()
            except DBAPIError as error:
                log.warning("waiting for the database", error=str(error.orig))
            except Exception:
                log.exception("could not look at the queues; the next look follows")
            await asyncio.sleep(SHORTEST_ROUND)
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await self._poked.wait()

    def _sender(self, carrier: str) -> Sender:
        if carrier not in self._running:
            transport = self._transports.get(carrier) or self._transports[""]
            self._running[carrier] = Sender(carrier, transport, self._desk)
        return self._running[carrier]

    def _waiting(self) -> list[str]:
        with self._desk.database.read() as connection:
            return waiting(connection)


def waiting(connection: Connection) -> list[str]:
    """Carriers in whose queue a message waits; those that take none any more are left out."""
    return list(connection.execute(_WAITING).scalars())

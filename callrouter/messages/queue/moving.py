"""Moves messages to other queues when their carrier is down, or would come to them too late (PQ-7).

A carrier is down when its breaker did not close after a moment, or when it takes no messages any more. Never moved is
what a carrier took. What it may have taken, without saying so, moves last and is marked: `possible_duplicate`.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import structlog
from sqlalchemy import Connection, func, select

from callrouter.messages import states
from callrouter.messages.queue import entering, health
from callrouter.messages.queue.breaker import FAILURES, State
from callrouter.messages.queue.claims import QUEUE, WAITING
from callrouter.messages.queue.sender import Desk
from callrouter.messages.status import Status
from callrouter.messages.transport import PRESENCE
from callrouter.models import Carrier, Message
from foundation.periodic import Periodic

log = structlog.get_logger(__name__)

PAUSE_SECONDS = 1.0
DOWN_SECONDS = 2.0
"""A breaker that has been open for so long is not a moment's trouble."""
UNSURE_SECONDS, UNSURE_TRIES = 60.0, 4
"""When a message without an answer is given up by its carrier: so long after its last try, or after so many."""
BATCH = 50
MOST = 2_000
"""Of one carrier, in one round."""
SHORT = 100
"""Messages: a shorter queue is soon empty."""


class Moving:
    """One per router process; several do no harm."""

    def __init__(self, desk: Desk, poke: Callable[[], None]) -> None:
        self._desk, self._poke = desk, poke

    def periodic(self) -> Periodic:
        return Periodic("messages of carriers that are down", self.move, PAUSE_SECONDS)

    async def move(self) -> None:
        now = self._desk.host.now()
        moved = 0
        for carrier, rate in await asyncio.to_thread(self._read, _overdue, now):
            moved += await self._out_of(carrier, partial(_late, carrier, rate, now))
        for carrier in await asyncio.to_thread(self._read, _down, now):
            moved += await self._out_of(carrier, partial(_waiting, carrier, now))
        if moved:
            log.warning("messages were moved to other carriers", messages=moved)
            self._poke()

    async def _out_of(self, carrier: str, query: Callable[[int], Any]) -> int:
        """How many of those that the query finds behind a position went elsewhere. Stops when none of a batch can."""
        last, moved = 0, 0
        while moved < MOST:
            rows = await asyncio.to_thread(self._rows, query(last))
            if not rows:
                break
            last, before = rows[-1].position, moved
            for account_sid in sorted({row.account_sid for row in rows}):
                sids = [row.message_sid for row in rows if row.account_sid == account_sid]
                moved += await self._desk.host.persist(self._unit(carrier, sids), account_sid)
            if moved == before:
                break
        return moved

    def _unit(self, carrier: str, sids: Sequence[str]) -> Callable[[Connection], int]:
        random, now = self._desk.settling.random, self._desk.host.now()

        def unit(connection: Connection) -> int:
            moved = 0
            for sid in sids:
                queued = entering.waiting(connection, sid)
                if queued is None or queued.carrier != carrier:
                    continue
                message = states.found(connection, queued.account_sid, sid)
                if message is not None and message.status in (Status.QUEUED, Status.SENDING):
                    unsure = message.status == Status.SENDING
                    moved += entering.move(
                        connection, queued, message, now, random, possible_duplicate=unsure
                    )
            return moved

        return unit

    def _read(self, work: Callable[[Connection, float], Any], now: float) -> Any:
        with self._desk.database.read() as connection:
            return work(connection, now)

    def _rows(self, query: Any) -> Sequence[Any]:
        with self._desk.database.read() as connection:
            return connection.execute(query).all()


def _down(connection: Connection, now: float) -> list[str]:
    """Carriers with messages that they do not take."""
    queues = set(connection.execute(select(QUEUE.c.carrier).distinct()).scalars()) - {PRESENCE}
    takes = select(Carrier.name).where(Carrier.status == "active", Carrier.messages)
    down = queues - set(connection.execute(takes).scalars())
    for row in connection.execute(select(health.HEALTH).where(health.HEALTH.c.breaker != State.CLOSED)):
        if row.failures > FAILURES or (row.opened_at or now) <= now - DOWN_SECONDS:
            down |= queues & {row.carrier}
    return sorted(down)


def _overdue(connection: Connection, now: float) -> list[tuple[str, float]]:
    """Carriers with long queues, and how many messages they take in a second."""
    table = health.HEALTH.c
    query = (
        select(table.carrier, table.taken)
        .where(table.depth > SHORT, table.taken > 0, table.carrier != PRESENCE)
        .order_by(table.carrier)
    )
    return [(row.carrier, row.taken) for row in connection.execute(query)]


def _open(carrier: str) -> Any:
    """What may move at all."""
    return (QUEUE.c.carrier == carrier, QUEUE.c.state == WAITING, QUEUE.c.moves < entering.MOVES)


def _waiting(carrier: str, now: float, last: int) -> Any:
    """Those of a carrier that is down, behind a position. What it may have is left to it for a while."""
    message = Message.__table__.c
    given_up = (message.date_updated <= now - UNSURE_SECONDS) | (QUEUE.c.attempts >= UNSURE_TRIES)
    return (
        select(QUEUE.c.position, QUEUE.c.account_sid, QUEUE.c.message_sid)
        .join(message.sid.table, message.sid == QUEUE.c.message_sid)
        .where(*_open(carrier), QUEUE.c.position > last)
        .where((message.status == Status.QUEUED) | (message.status == Status.SENDING) & given_up)
        .order_by(QUEUE.c.position)
        .limit(BATCH)
    )


def _late(carrier: str, rate: float, now: float, last: int) -> Any:
    """Those that so many others are before, that their validity would be over."""
    place = func.row_number().over(order_by=QUEUE.c.position).label("place")
    ranked = select(QUEUE, place).where(QUEUE.c.carrier == carrier, QUEUE.c.state == WAITING).subquery()
    row = ranked.c
    return (
        select(row.position, row.account_sid, row.message_sid)
        .where(
            row.position > last,
            row.moves < entering.MOVES,
            row.attempts == 0,
            row.place > (row.valid_until - now) * rate,
        )
        .order_by(row.position)
        .limit(BATCH)
    )

"""What is done again and again for messages that wait, so that none waits for ever (I6): they fail at the end of their
validity (PQ-6), are freed from processes that died (PQ-4), and go out when their time has come.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Any

import structlog
from sqlalchemy import Connection, Select, delete, func, select

from callrouter.calls.store import OutboxRow
from callrouter.messages import outgoing, states
from callrouter.messages.queue import entering, health
from callrouter.messages.queue.claims import LEASED, QUEUE, WAITING, freed
from callrouter.messages.queue.sender import UNKNOWN_ERROR, Desk
from callrouter.messages.status import Status
from callrouter.models import IdempotencyKey, Message
from foundation.periodic import Periodic

log = structlog.get_logger(__name__)

BATCH = 200
KEY_SECONDS = 24 * 3600
"""How long an idempotency key is remembered."""
EXPIRED = 30036
MESSAGES = Message.__table__.c


class Rounds:
    """One per router process; several do no harm."""

    def __init__(self, desk: Desk, poke: Callable[[], None]) -> None:
        self._desk, self._poke = desk, poke

    def periodics(self) -> list[Periodic]:
        return [
            Periodic("messages that are due", self.release, 0.5),
            Periodic("validity of messages", self.expire, 1.0),
            Periodic("speed of carriers' queues", self.measure, 1.0),
            Periodic("leases of messages", self.free, 5.0),
            Periodic("idempotency keys", self.forget, 600.0),
        ]

    async def release(self) -> None:
        """Queues scheduled messages whose time has come, and those that wait for their service's choice."""
        now, settling = self._desk.host.now(), self._desk.settling
        waits = MESSAGES.status.in_((Status.ACCEPTED, Status.SCHEDULED))
        query = select(MESSAGES.account_sid, MESSAGES.sid).where(waits, MESSAGES.due_at <= now)
        found = await self._read(query.order_by(MESSAGES.due_at).limit(BATCH))
        for account_sid, sids in _by_account(found):

            def unit(connection: Connection, account_sid: str = account_sid, sids: Any = sids) -> Any:
                sent = [
                    outgoing.enqueue(
                        connection, account_sid, sid, now, owner=settling.owner, random=settling.random
                    )
                    for sid in sids
                ]
                return [row for each in sent for row in each.rows]

            await self._store(unit, account_sid)
        if found:
            self._poke()

    async def expire(self) -> None:
        """PQ-6. One that a carrier may have, but never said so, fails too: nobody knows of it for certain."""
        now, owner = self._desk.host.now(), self._desk.settling.owner
        query = select(QUEUE.c.account_sid, QUEUE.c.message_sid.label("sid")).where(
            QUEUE.c.valid_until <= now, QUEUE.c.state == WAITING
        )
        found = await self._read(query.limit(BATCH))
        for account_sid, sids in _by_account(found):

            def unit(connection: Connection, sids: Any = sids) -> list[OutboxRow]:
                rows: list[OutboxRow] = []
                for sid in sids:
                    queued = entering.waiting(connection, sid)
                    if queued is not None:
                        message = states.found(connection, queued.account_sid, sid)
                        unsure = message is not None and message.status == Status.SENDING
                        code = UNKNOWN_ERROR if unsure else EXPIRED
                        rows += entering.fail(connection, queued, code, now, owner=owner)
                return rows

            await self._store(unit, account_sid)
        if found:
            self._poke()  # they may have held back others of their pair

    async def measure(self) -> None:
        now, taken = self._desk.host.now(), dict(self._desk.taken)
        busy = select(QUEUE.c.position).limit(1)
        moving = select(health.HEALTH.c.carrier).where(health.HEALTH.c.depth > 0).limit(1)
        if taken or await self._read(busy) or await self._read(moving):
            await self._desk.host.persist(
                lambda connection: health.measure(connection, taken, now), " carrier"
            )
            self._desk.taken.subtract(taken)
            for carrier in [name for name, count in self._desk.taken.items() if not count]:
                del self._desk.taken[carrier]

    async def free(self) -> None:
        """What a process that died, or was away for too long, had under way."""
        now = self._desk.host.now()
        await self._free(QUEUE.c.lease_until < now)

    async def free_earlier_lives(self) -> None:
        """What this router had under way when it was stopped or killed: no other process has its name."""
        lease = self._desk.settling.lease
        its = QUEUE.c.lease_owner.startswith(lease.rpartition(" ")[0] + " ", autoescape=True)
        await self._free(its & (QUEUE.c.lease_owner != lease))

    async def forget(self) -> None:
        before = IdempotencyKey.date_created < self._desk.host.now() - KEY_SECONDS
        if await self._read(
            select(func.count()).select_from(IdempotencyKey).where(before).having(func.count() > 0)
        ):
            await self._desk.host.persist(lambda c: c.execute(delete(IdempotencyKey).where(before)), "")

    async def _free(self, which: Any) -> None:
        if await self._read(select(QUEUE.c.position).where(QUEUE.c.state == LEASED, which).limit(1)):
            count = await self._desk.host.persist(lambda connection: freed(connection, which), "")
            log.warning("hand-offs without an end are tried again", messages=count)
            self._poke()

    async def _read(self, query: Select[Any]) -> Sequence[Any]:
        def read() -> Sequence[Any]:
            with self._desk.database.read() as connection:
                return connection.execute(query).all()

        return await asyncio.to_thread(read)

    async def _store(self, unit: Callable[[Connection], list[OutboxRow]], account_sid: str) -> None:
        """One account's trouble is not the others' (F43)."""
        try:
            self._desk.host.carry_out(await self._desk.host.persist(unit, account_sid))
        except Exception:
            log.exception("messages that wait could not be looked after", account_sid=account_sid)


def _by_account(rows: Sequence[Any]) -> Iterator[tuple[str, list[str]]]:
    """Accounts with SIDs of messages, in which each account's keep their order."""
    ordered = sorted(rows, key=lambda row: row.account_sid)
    for account_sid, its in groupby(ordered, key=lambda row: row.account_sid):
        yield account_sid, [row.sid for row in its]

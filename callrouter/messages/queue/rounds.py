"""What is done again and again for messages that wait, so that none waits for ever (I6): they fail at the end of their
validity (PQ-6), are freed from processes that died (PQ-4), and go out when their time has come.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import groupby
from typing import Any

import structlog
from sqlalchemy import Connection, Select, and_, bindparam, delete, exists, func, or_, select

from callrouter.calls.store import OutboxRow
from callrouter.messages import outgoing, states
from callrouter.messages.queue import entering, health
from callrouter.messages.queue.claims import LEASED, QUEUE, WAITING, freed
from callrouter.messages.queue.sender import UNKNOWN_ERROR, Desk
from callrouter.messages.status import Status
from callrouter.models import IdempotencyKey, Message, MessageMedia
from foundation.periodic import Periodic

log = structlog.get_logger(__name__)

BATCH = 200
KEY_SECONDS = 24 * 3600
"""How long an idempotency key is remembered."""
EXPIRED = 30036
Work = Callable[[str, Sequence[str], Connection], list[OutboxRow]]
"""For some of an account's messages."""
MESSAGES, PIECES = Message.__table__.c, MessageMedia.__table__.c


def _after(at: Any, sid: Any) -> Any:
    """Rows behind a place in the order of a time and a SID."""
    return or_(at > bindparam("at"), and_(at == bindparam("at"), sid > bindparam("sid")))


_LACKS_MEDIA = exists().where(
    PIECES.account_sid == MESSAGES.account_sid,
    PIECES.message_sid == MESSAGES.sid,
    PIECES.size.is_(None),
    PIECES.error_code.is_(None),
)
_DUE = (
    select(MESSAGES.account_sid, MESSAGES.sid, MESSAGES.due_at.label("at"))
    .where(MESSAGES.status.in_((Status.ACCEPTED, Status.SCHEDULED)), MESSAGES.due_at <= bindparam("now"))
    .where(~_LACKS_MEDIA, _after(MESSAGES.due_at, MESSAGES.sid))  # `media` queues it when it has them all
    .order_by(MESSAGES.due_at, MESSAGES.sid)
    .limit(BATCH)
)
_EXPIRED = (
    select(QUEUE.c.account_sid, QUEUE.c.message_sid.label("sid"), QUEUE.c.valid_until.label("at"))
    .where(QUEUE.c.valid_until <= bindparam("now"), QUEUE.c.state == WAITING)
    .where(_after(QUEUE.c.valid_until, QUEUE.c.message_sid))
    .order_by(QUEUE.c.valid_until, QUEUE.c.message_sid)
    .limit(BATCH)
)


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

        def queue(account_sid: str, sids: Sequence[str], connection: Connection) -> list[OutboxRow]:
            sent = [
                outgoing.enqueue(
                    connection, account_sid, sid, now, owner=settling.owner, random=settling.random
                )
                for sid in sids
            ]
            return [row for each in sent for row in each.rows]

        await self._all(_DUE, now, queue)

    async def expire(self) -> None:
        """PQ-6. One that a carrier may have, but never said so, fails too: nobody knows of it for certain."""
        now, owner = self._desk.host.now(), self._desk.settling.owner

        def fail(account_sid: str, sids: Sequence[str], connection: Connection) -> list[OutboxRow]:
            rows: list[OutboxRow] = []
            for sid in sids:
                queued = entering.waiting(connection, sid)
                if queued is not None:
                    message = states.found(connection, account_sid, sid)
                    unsure = message is not None and message.status == Status.SENDING
                    code = UNKNOWN_ERROR if unsure else EXPIRED
                    rows += entering.fail(connection, queued, code, now, owner=owner)
            return rows

        await self._all(_EXPIRED, now, fail)  # they may have held back others of their pair

    async def _all(
        self,
        query: Select[Any],
        now: float,
        work: Work,
    ) -> None:
        """Does that with all messages that the query finds, page by page: one that stays as it is hides no other."""
        at, sid, found = 0.0, "", True
        while found:
            rows = await self._read(query, now=now, at=at, sid=sid)
            for account_sid, sids in _by_account(rows):
                await self._store(partial(work, account_sid, sids), account_sid)
            if rows:
                at, sid = rows[-1].at, rows[-1].sid
                self._poke()
            found = len(rows) == BATCH

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

    async def _read(self, query: Select[Any], **values: Any) -> Sequence[Any]:
        def read() -> Sequence[Any]:
            with self._desk.database.read() as connection:
                return connection.execute(query, values).all()

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

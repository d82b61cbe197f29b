"""Messages as Flask's threads see them, and the work behind that in this process: its senders and its rounds."""

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TookTooLong
from contextlib import suppress
from random import random as any_random
from typing import Any, TypeVar

from sqlalchemy import Connection, select
from sqlalchemy.exc import IntegrityError

from callrouter.calls.store import OutboxRow
from callrouter.messages import outgoing, states
from callrouter.messages.host import Host
from callrouter.messages.outgoing import Submission
from callrouter.messages.queue import entering
from callrouter.messages.queue.claims import QUEUE, WAITING
from callrouter.messages.queue.moving import Moving
from callrouter.messages.queue.rounds import Rounds
from callrouter.messages.queue.sender import Desk
from callrouter.messages.queue.senders import Senders
from callrouter.messages.queue.settling import Settling
from callrouter.messages.status import CANCELABLE, Status
from callrouter.messages.transport import Transport
from foundation.db import Database, later
from foundation.failpoints import failpoint
from foundation.periodic import Periodic
from foundation.webserver.errors import ApiError

T = TypeVar("T")
Work = Callable[[Connection], tuple[T, list[OutboxRow]]]

PATIENCE = 10.0
"""Seconds that a request waits for its commit; then 503, and its sender tries again."""
NOT_FOUND, TOO_LATE = 20404, 30409


class Messages:
    """`submit`, `cancel`, `settle` and `poke` may be called by any thread, the rest by the event loop only."""

    def __init__(
        self,
        host: Host,
        database: Database,
        loop: asyncio.AbstractEventLoop,
        transports: Mapping[str, Transport],
        *,
        base_url: str,
        random: Callable[[], float] = any_random,
    ) -> None:
        """`transports`: by the carrier's name, `presence` among them; under "" that of all others. `base_url`: the
        router's, for the media that carriers fetch."""
        self._host, self._database, self._loop, self._random = host, database, loop, random
        self._transports, self._base_url = transports, base_url
        self._senders: Senders | None = None
        self._rounds: list[Periodic] = []

    # -- life

    async def start(self) -> None:
        """Begins to send, with what an earlier life of this router left. The host has its lease by now."""
        lease = f"{self._host.owner} {secrets.token_hex(8)}"
        desk = Desk(
            host=self._host,
            database=self._database,
            settling=Settling(lease=lease, owner=self._host.owner, random=self._random),
            media_base=self._base_url,
            taken=Counter(),
        )
        rounds = Rounds(desk, self.poke)
        await rounds.free_earlier_lives()
        self._senders = Senders(desk, self._transports)
        self._rounds = [*rounds.periodics(), Moving(desk, self.poke).periodic()]
        for each in self._rounds:
            each.start()

    async def stop(self) -> None:
        """What waits goes on waiting in the database."""
        for each in self._rounds:
            await each.stop()
        if self._senders:
            await self._senders.stop()

    # -- for everybody

    def poke(self) -> None:
        """Something was committed that may be to be sent."""
        with suppress(RuntimeError):  # the loop is closed: the next life sends it
            self._loop.call_soon_threadsafe(self._look)

    def submit(self, submission: Submission) -> str:
        """Stores a message and its place in a queue: its SID, or that of the one with the same idempotency key."""
        failpoint("OM1")
        put = later if submission.idempotency_key is None else entering.inserted

        def work(connection: Connection) -> tuple[str | ApiError, list[OutboxRow]]:
            now, owner = self._host.now(), self._host.owner
            try:
                sent = outgoing.submit(connection, submission, now, owner=owner, random=self._random, put=put)
            except ApiError as refusal:  # raised before anything was written: it spoils no batch of units
                return refusal, []
            return sent.sid, sent.rows

        sid = self.settle(submission.account_sid, work)
        if isinstance(sid, ApiError):
            raise sid
        failpoint("OM2")
        return sid

    def cancel(self, account_sid: str, sid: str) -> None:
        """Takes a message out of its queue; 30409 once a process has begun to give it to a carrier (PQ-12)."""
        self.settle(account_sid, lambda connection: (None, self._canceled(connection, account_sid, sid)))

    def settle(self, account_sid: str, work: Work[T]) -> T:
        """Stores a unit of work; the outbox entries that it answers with go out, and messages that it queued leave.

        The unit may run again, and must then do the same. ApiError 503 when the database takes too long; what is
        stored later also goes out.
        """
        try:
            return self._settle(account_sid, work)
        except (
            IntegrityError
        ):  # another router stored the same idempotency key in this moment: now it is seen
            return self._settle(account_sid, work)

    # -- inside

    def _settle(self, account_sid: str, work: Work[T]) -> T:
        future = self._database.write(work, account_sid)
        future.add_done_callback(self._stored)
        try:
            return future.result(PATIENCE)[0]
        except TookTooLong as error:
            if future.done():
                raise  # the work's own time-out
            busy = (
                "The router is busy; try again with the same idempotency key, or look whether it was stored."
            )
            raise ApiError(503, 20503, busy, {"Retry-After": "1"}) from error

    def _stored(self, future: "Future[tuple[Any, list[OutboxRow]]]") -> None:
        """In the thread that committed: also when nobody waits any more."""
        if future.cancelled() or future.exception():
            return
        rows = future.result()[1]
        with suppress(RuntimeError):  # the loop is closed: the next life carries them out
            self._loop.call_soon_threadsafe(self._release, rows)

    def _release(self, rows: list[OutboxRow]) -> None:
        self._host.carry_out(rows)
        self._look()

    def _look(self) -> None:
        if self._senders:
            self._senders.poke()

    def _canceled(self, connection: Connection, account_sid: str, sid: str) -> list[OutboxRow]:
        """The queue row is locked first: it decides between us and a sender."""
        query = select(QUEUE.c.position, QUEUE.c.state).where(
            QUEUE.c.account_sid == account_sid, QUEUE.c.message_sid == sid
        )
        queued = connection.execute(query.with_for_update()).first()
        message = states.found(connection, account_sid, sid, locked=True)
        if message is None:
            raise ApiError(404, NOT_FOUND, f"There is no message {sid}.")
        leased = queued is not None and queued.state != WAITING
        if leased or Status(message.status) not in CANCELABLE:
            raise ApiError(409, TOO_LATE, f"It is too late to cancel the message: it is {message.status}.")
        if queued is not None:
            entering.leave(connection, queued)
        now, owner = self._host.now(), self._host.owner
        moved = states.move(connection, account_sid, sid, Status.CANCELED, now, owner=owner, due_at=None)
        return moved or []

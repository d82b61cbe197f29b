"""The engine: one actor per live call, one commit for all of them.

An actor is an asyncio task that takes the call's happenings one after the other: work out the step, store it,
only then let its effects go. Happenings of different calls share commits (`foundation.db`). A call that ended
has no actor; what still has to be said about it stands in the outbox.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from callrouter.calls import happenings as h
from callrouter.calls.actor import Actor, Also, Doubt, Receipt, Task
from callrouter.calls.name_lock import NameLock
from callrouter.calls.recovery import LEASE_SECONDS, Found, NameLost, lease_time, renew_lease, take_lease
from callrouter.calls.session import CallSession
from callrouter.calls.steps.step import step
from callrouter.calls.store import (
    DELETE_OUTBOX,
    FIND_INBOX,
    INSERT_INBOX,
    OutboxRow,
    Overtaken,
    Owner,
    Writes,
    call_row,
    holds,
)
from callrouter.metrics.calls import CALLS, ENDED, TIMERS_LATE
from foundation.clock import Clock
from foundation.db import Database, DatabaseOverloaded, later
from foundation.failpoints import failpoint
from foundation.sids import CALL, new_sid

__all__ = ["Also", "Engine", "Receipt"]

log = structlog.get_logger(__name__)

RENEW_SECONDS = 10
DATABASE_RETRY_SECONDS = 1.0
STRIKE_SECONDS = 0.02
"""How long finished outbox entries are gathered before they are struck off."""


class Engine:
    """Every live call that this router process owns. All methods belong to the event loop."""

    def __init__(self, database: Database, clock: Clock, node: str, lock: NameLock | None = None) -> None:
        """`lock` says whether an earlier life of this router, whose lease still runs, is over for certain."""
        self._lock = lock
        self._database = database
        self._clock = clock
        self._owner = Owner(name=node, epoch=0)
        self._actors: dict[str, Actor] = {}
        self._calls: dict[str, str] = {}
        self._timers: dict[tuple[str, str], asyncio.TimerHandle] = {}
        self._background: set[asyncio.Task[None]] = set()
        self._struck: list[tuple[OutboxRow, Also | None]] = []
        self.carry_out: Callable[[Sequence[OutboxRow]], None] = lambda rows: None
        self.give_way: Callable[[], None] = lambda: None
        """called when another process has this router's name: this one must end"""
        self.held_until = 0.0
        """the end of our lease, as far as we know"""

    # -- life

    async def start(self) -> None:
        """Takes the lease, then picks up every unfinished call, command and timer where it was left.

        NameTaken: another process works under this name.
        """
        found = await self._database.commit(self._take_lease)
        self._owner, self.held_until = found.owner, self.now() + LEASE_SECONDS
        if self._lock:
            self._lock.note(found.owner.epoch)
        self._resume(found)
        self._keep(self._look_after())

    async def stop(self) -> None:
        for handle in self._timers.values():
            handle.cancel()
        self._write_struck()
        tasks = [*self._background, *(actor.task for actor in self._actors.values())]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def owner(self) -> str:
        return self._owner.name

    # -- calls

    def session(self, call_sid: str) -> CallSession | None:
        """The live session that this leg belongs to."""
        actor = self._actors.get(self._calls.get(call_sid, ""))
        return actor.session if actor else None

    def sessions(self) -> list[CallSession]:
        return [actor.session for actor in self._actors.values()]

    async def create(self, session: CallSession, receipt: Receipt, **call: Any) -> str:
        """Stores a new call with its first step and starts it; a repeated receipt gets the first call's sid."""
        at = self.now()
        first = step(session, h.Began(at=at), self._new_call_sid)
        writes = Writes(session, first, self._owner)
        row = call_row(session, at, **call)

        def unit(connection: Connection) -> str:
            known = _receive(connection, receipt, session, at)
            if known:
                return known
            writes.create(connection, row)
            return session.call_sid

        failpoint("call.created.before-commit")
        doubt = Doubt(then=first, writes=writes, version=0)
        try:
            call_sid = await self._database.commit(unit, session.call_sid)
        except DBAPIError:
            self._keep(self._begin_if_stored(doubt))
            raise
        failpoint("call.created.after-commit")
        if call_sid == session.call_sid:
            self._begin(doubt)
        return call_sid

    async def _begin_if_stored(self, doubt: Doubt) -> None:
        """Nobody may ever ask again about a call that was stored but not acknowledged: it goes on all the same."""
        if await self._holds(doubt):
            self._begin(doubt)

    def _begin(self, doubt: Doubt) -> None:
        first = doubt.then
        if first.session.call_sid not in self._actors:
            CALLS.labels(first.session.own.direction).inc()
            self._adopt(first.session, 1)
            self._release(first.session, doubt.writes, first.timers)

    async def happen(
        self,
        call_sid: str,
        happening: h.Happening,
        receipt: Receipt | None = None,
        *,
        durable: bool = False,
    ) -> CallSession | None:
        """Applies what happened to the call that has this leg: its session now, None when it is over.

        It is stored when this returns. `durable`: a database that is away or overloaded is waited for; otherwise
        its fault is the caller's to hear.
        """
        return await self._apply(call_sid, happening, receipt=receipt, durable=durable)

    async def complete(self, row: OutboxRow, happening: h.Happening | None, also: Also | None = None) -> None:
        """An outbox entry was carried out: strikes it off together with what came of it."""
        if happening is not None and row["call_sid"] in self._actors:
            await self._apply(row["call_sid"], happening, row=row, also=also, durable=True)
        else:
            self._strike_off(row, also)

    def now(self) -> float:
        return self._clock().timestamp()

    # -- inside

    def _strike_off(self, row: OutboxRow, also: Also | None) -> None:
        """Nobody waits for this, so it joins the commits of others a moment later. After a crash before its commit the
        entry goes out again, which is harmless (I7)."""
        self._struck.append((row, also))
        if len(self._struck) == 1:
            asyncio.get_running_loop().call_later(STRIKE_SECONDS, self._write_struck)

    def _write_struck(self) -> None:
        """Each is a unit of its own: one that can't be stored takes no other with it."""
        struck, self._struck = self._struck, []
        for row, also in struck:
            self._write_aside(partial(_strike, row=row, also=also), row["call_sid"])

    def _write_aside(self, unit: Callable[[Connection], None], key: str) -> None:
        loop = asyncio.get_running_loop()

        def check(done: Future[None]) -> None:
            if not done.cancelled() and done.exception():
                with suppress(RuntimeError):  # the loop is gone: the next start finds the entry
                    loop.call_soon_threadsafe(lambda: self._keep(self.persist(unit, key)))

        try:
            self._database.write(unit, key).add_done_callback(check)
        except DatabaseOverloaded:
            self._keep(self.persist(unit, key))

    async def _apply(
        self, call_sid: str, happening: h.Happening | None, **options: Any
    ) -> CallSession | None:
        actor = self._actors.get(self._calls.get(call_sid, ""))
        if actor is None:
            return None
        task = Task(happening=happening, done=asyncio.get_running_loop().create_future(), **options)
        actor.queue.put_nowait(task)
        await task.done
        return actor.session

    async def perform(self, actor: Actor, task: Task) -> None:
        """One step of one call: work out, store, release."""
        await self._clear(actor)
        before, version = actor.session, actor.version
        if before.finished:
            if task.row:
                await self.persist(
                    lambda connection: _strike(connection, task.row, task.also), before.call_sid
                )
            return
        if task.happening is None:
            return
        then = step(before, task.happening, self._new_call_sid)
        writes = Writes(before, then, self._owner)
        doubt = Doubt(then=then, writes=writes, version=version)

        def unit(connection: Connection) -> bool:
            if task.receipt and _receive(connection, task.receipt, before, then.at):
                return False
            if task.row:
                _strike(connection, task.row, task.also)
            writes.save(connection, version)
            return True

        name = type(task.happening).__name__
        failpoint(f"{name}.before-commit")
        try:
            fresh = await (self.persist if task.durable else self._database.commit)(unit, before.call_sid)
        except (OperationalError, InterfaceError):
            actor.doubt = doubt
            self._keep(self._apply(before.call_sid, None))
            raise
        except (DBAPIError, Overtaken):  # or a try of ours before was stored, and its answer lost
            if not await self._holds(doubt):
                raise
            fresh = True
        failpoint(f"{name}.after-commit")
        if fresh or await self._holds(doubt):
            self._advance(actor, doubt)

    async def _clear(self, actor: Actor) -> None:
        """Finds out whether the step before was stored."""
        doubt, actor.doubt = actor.doubt, None
        if doubt and await self._holds(doubt):
            self._advance(actor, doubt)

    async def _holds(self, doubt: Doubt) -> bool:
        """Whether the database has this step of ours; only we write the call's row while its version is ours."""

        def look() -> bool:
            with self._database.read() as connection:
                return holds(connection, doubt.writes, doubt.version)

        while True:
            try:
                return await asyncio.to_thread(look)
            except DBAPIError as error:
                log.warning("waiting for the database", error=str(error))
                await asyncio.sleep(DATABASE_RETRY_SECONDS)

    def _advance(self, actor: Actor, doubt: Doubt) -> None:
        then = doubt.then
        actor.session, actor.version = then.session, doubt.version + 1
        self._release(then.session, doubt.writes, then.timers)

    def _release(self, session: CallSession, writes: Writes, timers: dict[str, float | None]) -> None:
        """What was committed may now have its effects."""
        for leg in session.legs.values():
            self._calls[leg.call_sid] = session.call_sid
        for name, due_at in timers.items():
            self._disarm(session.call_sid, name)
            if due_at is not None and not session.finished:
                self._arm(session.call_sid, name, due_at)
        if session.finished:
            ENDED.labels(session.own.status.value).inc()
            self.forget(session)
        self.carry_out(writes.outbox)

    def forget(self, session: CallSession) -> None:
        actor = self._actors.pop(session.call_sid, None)
        for leg in session.legs.values():
            self._calls.pop(leg.call_sid, None)
        for call_sid, name in [key for key in self._timers if key[0] == session.call_sid]:
            self._disarm(call_sid, name)
        if actor:
            actor.queue.put_nowait(None)

    def _adopt(self, session: CallSession, version: int) -> None:
        self._actors[session.call_sid] = Actor(self, session, version)
        for leg in session.legs.values():
            self._calls[leg.call_sid] = session.call_sid

    async def persist(self, unit: Callable[[Connection], Any], key: str) -> Any:
        """Commits what must not be lost: waits for the database as long as it takes (F1)."""
        while True:
            try:
                return await self._database.commit(unit, key)
            except (OperationalError, InterfaceError, DatabaseOverloaded) as error:
                log.warning("waiting for the database", error=str(error))
                await asyncio.sleep(DATABASE_RETRY_SECONDS)

    def _arm(self, call_sid: str, name: str, due_at: float) -> None:
        delay = max(0.0, due_at - self.now())
        loop = asyncio.get_running_loop()
        self._timers[call_sid, name] = loop.call_at(loop.time() + delay, self._due, call_sid, name)

    def _disarm(self, call_sid: str, name: str) -> None:
        handle = self._timers.pop((call_sid, name), None)
        if handle:
            handle.cancel()

    def _due(self, call_sid: str, name: str) -> None:
        handle = self._timers.pop((call_sid, name), None)
        if handle:
            TIMERS_LATE.observe(max(0.0, asyncio.get_running_loop().time() - handle.when()))
        self._keep(self._fire(call_sid, name))

    async def _fire(self, call_sid: str, name: str) -> None:
        with suppress(Overtaken):  # the call's new owner has the timer too
            await self.happen(call_sid, h.TimerDue(at=self.now(), timer=name), durable=True)

    def _keep(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _look_after(self) -> None:
        """Keeps the lease, adopts the calls of routers that lost theirs, and forgets old receipts."""
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            try:
                found = await self.persist(self._renew_lease, "")
            except NameLost as error:
                log.error(str(error), router=self._owner.name)
                self.give_way()
                return
            except Exception:
                log.exception("the lease could not be renewed; the next try follows")
                continue
            self.held_until = self.now() + LEASE_SECONDS
            self._resume(found)

    def _take_lease(self, connection: Connection) -> Found:
        epoch = self._lock.epoch if self._lock else None
        return take_lease(connection, self._owner.name, lease_time(connection, self.now()), over=epoch)

    def _renew_lease(self, connection: Connection) -> Found:
        return renew_lease(connection, self._owner, lease_time(connection, self.now()))

    def _resume(self, found: Found) -> None:
        """Goes on with calls that another life, of this router or of one that died, has left."""
        for session, version in found.sessions:
            self._adopt(session, version)
        self.carry_out(found.commands)
        for timer in found.timers:
            self._arm(timer.call_sid, timer.name, timer.due_at)
        if found.sessions or found.commands:
            log.info(
                "resumed", calls=len(found.sessions), commands=len(found.commands), timers=len(found.timers)
            )

    @staticmethod
    def _new_call_sid() -> str:
        return new_sid(CALL)


def _receive(connection: Connection, receipt: Receipt, session: CallSession, at: float) -> str:
    """Notes that the event came; answers the call that it came for before, or nothing when it is new."""
    key = {"source": receipt.source, "event_id": receipt.event_id}
    known = connection.execute(FIND_INBOX, key).scalar()
    if known:
        return str(known)
    row = {
        **key,
        "account_sid": session.account_sid,
        "call_sid": session.call_sid,
        "received_at": at,
    }
    later(connection, INSERT_INBOX, [row])
    return ""


def _strike(connection: Connection, row: OutboxRow | None, also: Also | None) -> None:
    if row is not None:
        later(connection, DELETE_OUTBOX, [{"its_id": row["id"]}])
    if also is not None:
        also(connection)

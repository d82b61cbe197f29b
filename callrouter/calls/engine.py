"""The engine: one actor per live call, one commit for all of them.

An actor is an asyncio task that takes the call's happenings one after the other: work out the step, store it,
only then let its effects go. Happenings of different calls share commits (`foundation.db`). A call that ended
has no actor; what still has to be said about it stands in the outbox.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from callrouter.calls import happenings as h
from callrouter.calls.recovery import Found, renew_lease, take_lease
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
)
from foundation.clock import Clock
from foundation.db import Database, DatabaseOverloaded, later
from foundation.failpoints import failpoint
from foundation.sids import CALL, new_sid

log = structlog.get_logger(__name__)

RENEW_SECONDS = 10
DATABASE_RETRY_SECONDS = 1.0
STRIKE_SECONDS = 0.02
"""How long finished outbox entries are gathered before they are struck off."""

Also = Callable[[Connection], None]


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """An event's id at its source: seeing it again is no event (reliability-security I7)."""

    source: str
    event_id: str


@dataclass
class _Task:
    happening: h.Happening
    receipt: Receipt | None
    row: OutboxRow | None
    also: Also | None
    done: asyncio.Future[None]


class Engine:
    """Every live call that this router process owns. All methods belong to the event loop."""

    def __init__(self, database: Database, clock: Clock, node: str) -> None:
        self._database = database
        self._clock = clock
        self._owner = Owner(name=node, epoch=0)
        self._actors: dict[str, _Actor] = {}
        self._calls: dict[str, str] = {}
        self._timers: dict[tuple[str, str], asyncio.TimerHandle] = {}
        self._background: set[asyncio.Task[None]] = set()
        self._struck: list[tuple[OutboxRow, Also | None]] = []
        self.carry_out: Callable[[Sequence[OutboxRow]], None] = lambda rows: None

    # -- life

    async def start(self) -> None:
        """Takes the lease, then picks up every unfinished call, command and timer where it was left."""
        name, now = self._owner.name, self.now()
        found = await self._database.commit(lambda connection: take_lease(connection, name, now))
        self._owner = found.owner
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
        call_sid = await self._database.commit(unit, session.call_sid)
        failpoint("call.created.after-commit")
        if call_sid == session.call_sid:
            self._adopt(first.session, 1)
            self._release(first.session, writes, first.timers)
        return call_sid

    async def happen(
        self, call_sid: str, happening: h.Happening, receipt: Receipt | None = None
    ) -> CallSession | None:
        """Applies what happened to the call that has this leg, durably: its session now, None when it is over."""
        return await self._apply(call_sid, happening, receipt, None, None)

    async def complete(self, row: OutboxRow, happening: h.Happening | None, also: Also | None = None) -> None:
        """An outbox entry was carried out: strikes it off together with what came of it."""
        if happening is not None and row["call_sid"] in self._actors:
            await self._apply(row["call_sid"], happening, None, row, also)
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
                loop.call_soon_threadsafe(self._keep, self.persist(unit, key))

        try:
            self._database.write(unit, key).add_done_callback(check)
        except DatabaseOverloaded:
            self._keep(self.persist(unit, key))

    async def _apply(
        self,
        call_sid: str,
        happening: h.Happening,
        receipt: Receipt | None,
        row: OutboxRow | None,
        also: Also | None,
    ) -> CallSession | None:
        actor = self._actors.get(self._calls.get(call_sid, ""))
        if actor is None:
            return None
        task = _Task(happening, receipt, row, also, asyncio.get_running_loop().create_future())
        actor.queue.put_nowait(task)
        await task.done
        return actor.session

    async def _perform(self, actor: "_Actor", task: _Task) -> None:
        """One step of one call: work out, store, release."""
        before, version = actor.session, actor.version
        if before.finished:
            if task.row:
                await self.persist(
                    lambda connection: _strike(connection, task.row, task.also), before.call_sid
                )
            return
        then = step(before, task.happening, self._new_call_sid)
        writes = Writes(before, then, self._owner)

        def unit(connection: Connection) -> bool:
            if task.receipt and _receive(connection, task.receipt, before, then.at):
                return False
            if task.row:
                _strike(connection, task.row, task.also)
            writes.save(connection, version)
            return True

        name = type(task.happening).__name__
        failpoint(f"{name}.before-commit")
        fresh = await (self.persist if task.row else self._database.commit)(unit, before.call_sid)
        failpoint(f"{name}.after-commit")
        if fresh:
            actor.session, actor.version = then.session, version + 1
            self._release(then.session, writes, then.timers)

    def _release(self, session: CallSession, writes: Writes, timers: dict[str, float | None]) -> None:
        """What was committed may now have its effects."""
        for leg in session.legs.values():
            self._calls[leg.call_sid] = session.call_sid
        for name, due_at in timers.items():
            self._disarm(session.call_sid, name)
            if due_at is not None and not session.finished:
                self._arm(session.call_sid, name, due_at)
        if session.finished:
            self._forget(session)
        self.carry_out(writes.outbox)

    def _forget(self, session: CallSession) -> None:
        actor = self._actors.pop(session.call_sid, None)
        for leg in session.legs.values():
            self._calls.pop(leg.call_sid, None)
        for call_sid, name in [key for key in self._timers if key[0] == session.call_sid]:
            self._disarm(call_sid, name)
        if actor:
            actor.queue.put_nowait(None)

    def _adopt(self, session: CallSession, version: int) -> None:
        self._actors[session.call_sid] = _Actor(self, session, version)
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
        self._timers[call_sid, name] = loop.call_later(delay, self._due, call_sid, name)

    def _disarm(self, call_sid: str, name: str) -> None:
        handle = self._timers.pop((call_sid, name), None)
        if handle:
            handle.cancel()

    def _due(self, call_sid: str, name: str) -> None:
        self._timers.pop((call_sid, name), None)
        self._keep(self._fire(call_sid, name))

    async def _fire(self, call_sid: str, name: str) -> None:
        while True:
            try:
                await self.happen(call_sid, h.TimerDue(at=self.now(), timer=name))
                return
            except DBAPIError:
                await asyncio.sleep(DATABASE_RETRY_SECONDS)

    def _keep(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _look_after(self) -> None:
        """Keeps the lease, adopts the calls of routers that lost theirs, and forgets old receipts."""
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            self._resume(await self.persist(self._renew_lease, ""))

    def _renew_lease(self, connection: Connection) -> Found:
        return renew_lease(connection, self._owner, self.now())

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


class _Actor:
    """The task of one live call, and the copy of its row."""

    def __init__(self, engine: Engine, session: CallSession, version: int) -> None:
        self.session = session
        self.version = version
        self.queue: asyncio.Queue[_Task | None] = asyncio.Queue()
        self.task = asyncio.get_running_loop().create_task(self._run(engine))

    async def _run(self, engine: Engine) -> None:
        while (task := await self.queue.get()) is not None:
            try:
                await engine._perform(self, task)
            except Overtaken as error:
                log.error("overtaken", call_sid=self.session.call_sid)
                engine._forget(self.session)
                _settle(task.done, error)
            except Exception as error:
                _settle(task.done, error)
            else:
                _settle(task.done, None)
        while not self.queue.empty():
            late = self.queue.get_nowait()
            if late:
                await engine._perform(self, late)
                _settle(late.done, None)


def _settle(future: asyncio.Future[None], error: Exception | None) -> None:
    if future.done():
        return  # whoever waited has given up
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)


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

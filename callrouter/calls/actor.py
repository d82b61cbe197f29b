"""One live call in memory: a queue of what happens to it, taken by one task, one after the other."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import structlog
from sqlalchemy import Connection

from callrouter.calls import happenings as h
from callrouter.calls.session import CallSession
from callrouter.calls.steps.draft import Step
from callrouter.calls.store import OutboxRow, Overtaken, Writes
from callrouter.metrics.calls import OVERTAKEN

log = structlog.get_logger(__name__)

Also = Callable[[Connection], None]


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """An event's id at its source: seeing it again is no event (reliability-security I7)."""

    source: str
    event_id: str


@dataclass(kw_only=True)
class Task:
    happening: h.Happening | None
    """None: only see whether the step before was stored"""
    receipt: Receipt | None = None
    row: OutboxRow | None = None
    also: Also | None = None
    durable: bool = False
    """nobody would come again with it, so it waits for the database as long as that takes"""
    done: asyncio.Future[None]


@dataclass(frozen=True, kw_only=True)
class Doubt:
    """A step whose commit got no answer: it may be stored, or not."""

    then: Step
    writes: Writes
    version: int


class Performs(Protocol):
    """What an actor needs of the engine."""

    async def perform(self, actor: "Actor", task: Task) -> None: ...

    def forget(self, session: CallSession) -> None: ...


class Actor:
    """The task of one live call, and the copy of its row."""

    def __init__(self, engine: Performs, session: CallSession, version: int) -> None:
        self.session = session
        self.version = version
        self.doubt: Doubt | None = None
        self.queue: asyncio.Queue[Task | None] = asyncio.Queue()
        self.task = asyncio.get_running_loop().create_task(self._run(engine))

    async def _run(self, engine: Performs) -> None:
        while (task := await self.queue.get()) is not None:
            try:
                await engine.perform(self, task)
            except Overtaken as error:
                log.error("overtaken", call_sid=self.session.call_sid)
                OVERTAKEN.inc()
                engine.forget(self.session)
                _settle(task.done, error)
            except Exception as error:
                _settle(task.done, error)
            else:
                _settle(task.done, None)
        while not self.queue.empty():
            late = self.queue.get_nowait()
            if late is None:
                continue
            try:
                await engine.perform(self, late)
            except Exception as error:
                _settle(late.done, error)
            else:
                _settle(late.done, None)


def _settle(future: asyncio.Future[None], error: Exception | None) -> None:
    if future.done():
        return  # whoever waited has given up
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)

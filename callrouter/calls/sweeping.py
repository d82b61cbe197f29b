"""Takes out of conferences and queues whose call is gone without a word, so that nobody waits for them (I6).

A leg that ends leaves by its own entry, also after a crash. What is left for this: calls that could not be read back,
calls that were never placed, and recordings whose voice node is lost.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import structlog
from sqlalchemy import Connection, select

from callrouter.calls import recordings
from callrouter.calls.engine import Engine
from callrouter.calls.store import OutboxRow
from callrouter.conferences import desk as conferences
from callrouter.conferences.meeting import COMPLETED, HeldElsewhere
from callrouter.conferences.rules import HUNG_UP
from callrouter.models import Conference, Participant, QueueMember, Recording, Session
from callrouter.queues import desk as queues
from foundation.db import Database

log = structlog.get_logger(__name__)

PAUSE_SECONDS = 30.0
GRACE_SECONDS = 60.0
"""A guest's row is there before its call is; and whoever just came in may be in no hurry."""
RECORDING_SECONDS = 3600.0
"""By then the audio of a conference that is over has been stored, or never will be."""
BATCH = 100


class Sweep:
    """One per router process."""

    def __init__(self, engine: Engine, database: Database) -> None:
        self._engine = engine
        self._database = database

    async def sweep(self) -> None:
        """Once through all."""
        now = self._engine.now()
        for row in await asyncio.to_thread(self._read, _orphans(Participant, Participant.date_updated, now)):
            await self._out(row, conferences.leave, reason=HUNG_UP, status="completed")
        for row in await asyncio.to_thread(self._read, _orphans(QueueMember, QueueMember.date_enqueued, now)):
            await self._out(row, queues.leave)
        for row in await asyncio.to_thread(self._read, _lost_recordings(now)):
            await self._engine.persist(recordings.lost(row.sid, now), row.sid)

    async def _out(self, row: Any, leave: Any, **details: Any) -> None:
        now, owner = self._engine.now(), self._engine.owner

        def unit(connection: Connection) -> list[OutboxRow]:
            left: list[OutboxRow] = leave(
                connection,
                row.account_sid,
                owner,
                now,
                call_sid=row.call_sid,
                ticket=row.ticket,
                **details,
            )
            return left

        with suppress(HeldElsewhere):  # that router sweeps, too
            self._engine.carry_out(await self._engine.persist(unit, row.account_sid))
            log.warning("taken out without its call", call_sid=row.call_sid)

    def _read(self, query: Any) -> Sequence[Any]:
        with self._database.read() as connection:
            return connection.execute(query).all()


def _orphans(model: Any, since: Any, now: float) -> Any:
    """Rows of calls that are not live."""
    live = (Session.account_sid == model.account_sid) & (Session.call_sid == model.session_sid)
    return (
        select(model.account_sid, model.call_sid, model.ticket)
        .where(since < now - GRACE_SECONDS, ~select(Session.call_sid).where(live).exists())
        .limit(BATCH)
    )


def _lost_recordings(now: float) -> Any:
    over = (Conference.account_sid == Recording.account_sid) & (Conference.sid == Recording.conference_sid)
    return (
        select(Recording.sid)
        .join(Conference, over)
        .where(
            Recording.status.in_(recordings.LIVE),
            Conference.status == COMPLETED,
            Conference.date_updated < now - RECORDING_SECONDS,
        )
        .limit(BATCH)
    )

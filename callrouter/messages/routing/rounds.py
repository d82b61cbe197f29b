"""What is done about routes again and again: silence is counted (MR-4), and old evidence gets short (MR-5)."""

import asyncio
from collections.abc import Callable, Sequence

from sqlalchemy import Connection, select

from callrouter.messages import states
from callrouter.messages.routing import evidence, reports
from callrouter.messages.status import Status
from foundation.db import Database
from foundation.periodic import Periodic

SILENCE_SECONDS = 5.0
FOLD_SECONDS = 60.0
BATCH = 500
_WAITING = (Status.SENT, Status.DELIVERED, Status.READ)
"""The latter two when it is the app whose word is waited for."""


def periodics(database: Database, now: Callable[[], float]) -> list[Periodic]:
    """For a router process to start and stop. Any number of processes may run them."""

    async def silences() -> None:
        while await silence(database, now()) == BATCH:
            pass

    async def folding() -> None:
        await fold(database, now())

    return [
        Periodic("messages without a report", silences, SILENCE_SECONDS),
        Periodic("evidence for routes", folding, FOLD_SECONDS),
    ]


async def silence(database: Database, now: float) -> int:
    """Counts messages whose time for a report is over: how many there were, up to BATCH."""
    due = await asyncio.to_thread(_due, database, now)
    for account_sid in sorted({account_sid for account_sid, _ in due}):
        sids = [sid for account, sid in due if account == account_sid]

        def unit(connection: Connection, account_sid: str = account_sid, sids: list[str] = sids) -> None:
            for sid in sids:
                reports.silent(connection, account_sid, sid, now)

        await database.commit(unit, account_sid)
    return len(due)


async def fold(database: Database, now: float) -> None:
    """Once through all accounts."""
    for account_sid in await asyncio.to_thread(_foldable, database, now):

        def unit(connection: Connection, account_sid: str = account_sid) -> None:
            evidence.fold(connection, account_sid, now)

        await database.commit(unit, account_sid)


def _due(database: Database, now: float) -> Sequence[tuple[str, str]]:
    query = select(states.MESSAGES.account_sid, states.MESSAGES.sid).where(
        states.MESSAGES.status.in_(_WAITING), states.MESSAGES.due_at <= now
    )
    with database.read() as connection:
        return [(row.account_sid, row.sid) for row in connection.execute(query.limit(BATCH))]


def _foldable(database: Database, now: float) -> Sequence[str]:
    with database.read() as connection:
        return evidence.foldable(connection, now)

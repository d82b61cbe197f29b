"""Calls of an account that was suspended or closed while they waited in its queue do not leave (twilio-surface 5.6)."""

import asyncio
from collections.abc import Mapping

from callrouter.calls import happenings as h
from callrouter.calls.dispatch import Done, Executor
from callrouter.calls.engine import Engine
from callrouter.calls.session import OWN
from callrouter.calls.status import Cause
from callrouter.calls.store import OutboxRow
from callrouter.directory import accounts
from foundation.db import Database

NOT_ACTIVE = 20005
STARTS = ("start.client", "start.carrier", "start.sip")


def while_active(
    engine: Engine, database: Database, executors: Mapping[str, Executor]
) -> dict[str, Executor]:
    """The executors, of which those that start a call which REST placed look at its account first."""

    def active(account_sid: str) -> bool:
        with database.read() as connection:
            return accounts.fetch(connection, account_sid).active

    def guarded(executor: Executor) -> Executor:
        async def execute(row: OutboxRow) -> Done:
            placed = row["payload"]["leg"] == OWN  # other legs belong to a call that is in progress
            if placed and not await asyncio.to_thread(active, row["account_sid"]):
                detail = "The account was suspended or closed while the call waited in its queue."
                return Done(
                    h.Gone(
                        at=engine.now(),
                        leg=OWN,
                        cause=Cause.NOT_ALLOWED,
                        code=NOT_ACTIVE,
                        detail=detail,
                        far=not row["attempts"],  # an earlier try may have reached it
                    )
                )
            return await executor(row)

        return execute

    return {kind: guarded(work) if kind in STARTS else work for kind, work in executors.items()}

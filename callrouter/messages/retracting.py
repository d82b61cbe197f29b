"""The executor of `message.retract`: a message to a client was deleted, so its copy at the presence server goes too."""

import asyncio
from typing import Any

from sqlalchemy import Connection, insert, select

from callrouter.calls.dispatch import Done, Later
from callrouter.calls.store import OutboxRow
from callrouter.messages.reach import chosen_before
from callrouter.messages.transport import PRESENCE
from callrouter.models import MessageDecision, Outbox
from presence.client import PresenceClient, PresenceRefused, PresenceUnavailable

PAUSE, LONGEST_PAUSE = 2.0, 300.0
"""Seconds before another try, while the presence server is away."""
DECISIONS = MessageDecision.__table__.c


def queue(connection: Connection, message: Any, now: float) -> None:
    """Has every copy of the message, whose row this is, removed; any router does it. Its decisions are still there."""
    made = select(DECISIONS.considered).where(
        DECISIONS.account_sid == message.account_sid,
        DECISIONS.message_sid == message.sid,
        DECISIONS.reason == PRESENCE,
    )
    chosen = (chosen_before(considered) for considered in connection.execute(made).scalars())
    holders = sorted({one[0] for one in chosen if one})
    entry = {
        "id": f"{message.sid}.retract",
        "account_sid": message.account_sid,
        "call_sid": message.sid,
        "lane": f"message:{message.sid}",
        "position": 0,
        "kind": "message.retract",
        "payload": {"accounts": holders},
        "attempts": 0,
        "due_at": now,
        "owner": "",
        "created_at": now,
    }
    if holders:
        connection.execute(insert(Outbox), [entry])


class Retracting:
    def __init__(self, presence: PresenceClient) -> None:
        self._presence = presence

    async def retract(self, row: OutboxRow) -> Done:
        """Asks until the presence server has heard it; an account that it does not know has no copy."""
        for account_sid in row["payload"]["accounts"]:
            try:
                await asyncio.to_thread(self._presence.remove_message, account_sid, row["call_sid"])
            except PresenceUnavailable as error:
                pause = min(LONGEST_PAUSE, PAUSE * 2.0 ** min(16, row["attempts"]))
                raise Later(pause, aside=True) from error
            except PresenceRefused:
                pass
        return Done()

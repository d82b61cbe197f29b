"""Says to the presence server which calls of clients live, so that their devices stay busy (PR-24).

What makes a device busy is a lease: when this router dies in a call, the device is free again by itself.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterator

import structlog

from callrouter.calls.engine import Engine
from callrouter.calls.session import CallSession
from presence.client import PresenceClient, PresenceRefused, PresenceUnavailable

log = structlog.get_logger(__name__)

PAUSE_SECONDS = 20.0
"""A third of the lease: two renewals in a row may fail."""
BATCH = 500
"""Calls in one request."""


class Leases:
    """One per router process."""

    def __init__(self, engine: Engine, presence: PresenceClient) -> None:
        self._engine = engine
        self._presence = presence

    async def renew(self) -> None:
        """Once for all; what the presence server does not hear now, it hears the next time."""
        for account_sid, call_sids in batches(self._engine.sessions()):
            try:
                await asyncio.to_thread(self._presence.renew_calls, account_sid, call_sids)
            except (PresenceUnavailable, PresenceRefused) as error:
                log.warning("busy devices not renewed", account_sid=account_sid, error=str(error))


def batches(sessions: list[CallSession]) -> Iterator[tuple[str, list[str]]]:
    """Accounts with SIDs of calls that their clients are in; those that still ring at devices make nobody busy."""
    mine: dict[str, list[str]] = defaultdict(list)
    for session in sessions:
        for leg in session.legs.values():
            if leg.identity and leg.live and (leg.answered or not leg.outbound):
                mine[leg.client_account or session.account_sid].append(leg.call_sid)
    for account_sid, sids in mine.items():
        for start in range(0, len(sids), BATCH):
            yield account_sid, sids[start : start + BATCH]

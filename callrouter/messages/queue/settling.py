"""What becomes of a message after it was given to a carrier: one transaction for each end that a hand-off can have.

Each begins with the message's queue row. When the lease on it is lost, because this process was away too long, another
one has the message by now and nothing is written here (F28 to F30).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select, update

from callrouter.calls.store import OutboxRow
from callrouter.messages import states
from callrouter.messages.queue import entering
from callrouter.messages.queue.claims import LEASED, QUEUE, WAITING, Claimed
from callrouter.messages.routing import evidence
from callrouter.messages.status import Status
from callrouter.models import QueuedMessage


@dataclass(frozen=True, kw_only=True)
class Settling:
    """Whose leases they are, and which router carries out what follows."""

    lease: str
    owner: str
    random: Callable[[], float]

    def taken(self, connection: Connection, claimed: Claimed, status: Status, now: float) -> list[OutboxRow]:
        """The carrier has it (PQ-4). A report may have come before (OM9): then the status stands."""
        queued = self._held(connection, claimed)
        if queued is None:
            return []
        entering.leave(connection, queued)
        rows = states.move(
            connection, claimed.account_sid, claimed.sid, status, now, owner=self.owner, date_sent=now
        )
        message = states.found(connection, claimed.account_sid, claimed.sid)
        if message is not None:
            evidence.handed_off(connection, message, queued, now)
        return rows or []

    def put_back(
        self, connection: Connection, claimed: Claimed, due_at: float, now: float, *, maybe_taken: bool
    ) -> list[OutboxRow]:
        """It waits for another try at the same carrier. `maybe_taken`: which may have it until it says otherwise."""
        queued = self._held(connection, claimed)
        if queued is not None:
            values = {"state": WAITING, "lease_owner": "", "lease_until": None, "due_at": due_at}
            connection.execute(
                update(QueuedMessage).where(QUEUE.c.position == queued.position).values(values)
            )
            if not (maybe_taken or claimed.outgoing.again):
                states.take_back(connection, claimed.account_sid, claimed.sid, now)
        return []

    def refused(
        self, connection: Connection, claimed: Claimed, code: int, now: float, *, elsewhere: bool
    ) -> list[OutboxRow]:
        """The carrier will not take it: another may (MR-11), or it fails with that code."""
        queued = self._held(connection, claimed)
        if queued is None:
            return []
        message = states.found(connection, claimed.account_sid, claimed.sid, locked=True)
        if elsewhere and entering.move(connection, queued, message, now, self.random, refused=True):
            return []
        return entering.fail(connection, queued, code, now, owner=self.owner)

    def _held(self, connection: Connection, claimed: Claimed) -> Any:
        query = select(QUEUE).where(
            QUEUE.c.message_sid == claimed.sid,
            QUEUE.c.state == LEASED,
            QUEUE.c.lease_owner == self.lease,
        )
        return connection.execute(query.with_for_update()).first()

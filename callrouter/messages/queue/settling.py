"""What becomes of a message after it was given to a carrier: one transaction for each end that a hand-off can have.

Each begins with the message's queue row. When the lease on it is lost, because this process was away too long, another
one has the message by now and nothing is written here (F28 to F30).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from callrouter.calls.store import OutboxRow
from callrouter.messages import states
from callrouter.messages.queue import entering
from callrouter.messages.queue.claims import LEASED, QUEUE, WAITING, Claimed
from callrouter.messages.routing import evidence
from callrouter.messages.status import Status, may_move
from callrouter.models import Message

_SIDS: Any = bindparam("sids", expanding=True)
_HELD = (
    select(QUEUE)
    .where(QUEUE.c.message_sid.in_(_SIDS), QUEUE.c.state == LEASED, QUEUE.c.lease_owner == bindparam("lease"))
    .order_by(QUEUE.c.position)
    .with_for_update()
)
_MESSAGES = select(Message.__table__).where(states.MESSAGES.sid.in_(_SIDS)).with_for_update()
_PUT_BACK = update(QUEUE).where(QUEUE.c.position == bindparam("its_position"))


@dataclass(frozen=True, kw_only=True)
class HandOff:
    """A carrier took it at that time, and says that it is `status`."""

    claimed: Claimed
    status: Status
    at: float


@dataclass(frozen=True, kw_only=True)
class Settling:
    """Whose leases they are, and which router carries out what follows."""

    lease: str
    owner: str
    random: Callable[[], float]

    def taken(self, connection: Connection, hand_offs: Sequence[HandOff]) -> list[list[OutboxRow]]:
        """Carriers have these (PQ-4): for each, the outbox entries that this made. A report may have come before (OM9):
        then the status stands."""
        sids = [one.claimed.sid for one in hand_offs]
        held = {
            row.message_sid: row for row in connection.execute(_HELD, {"sids": sids, "lease": self.lease})
        }
        found = {row.sid: row for row in connection.execute(_MESSAGES, {"sids": list(held)})} if held else {}
        changes: list[tuple[Any, dict[str, Any]]] = []
        told: list[list[OutboxRow]] = []
        for one in hand_offs:
            queued, message = held.get(one.claimed.sid), found.get(one.claimed.sid)
            rows: list[OutboxRow] = []
            if queued is not None and message is not None:
                values, rows = self._sent(message, one)
                values |= evidence.handed_off(connection, message, values, queued, one.at)
                changes.append((message, values))
            told.append(rows)
        entering.leave(connection, *held.values())
        for columns in {tuple(values) for _, values in changes}:
            states.change(connection, *(each for each in changes if tuple(each[1]) == columns))
        states.tell(connection, [row for rows in told for row in rows])
        return told

    def _sent(self, message: Any, hand_off: HandOff) -> tuple[dict[str, Any], list[OutboxRow]]:
        at = hand_off.at
        if not may_move(Status(message.status), hand_off.status):
            return {"date_updated": at}, []
        return states.moved(message, hand_off.status, at, owner=self.owner, date_sent=at)

    def put_back(
        self, connection: Connection, claimed: Claimed, due_at: float, now: float, *, maybe_taken: bool
    ) -> list[OutboxRow]:
        """It waits for another try at the same carrier. `maybe_taken`: which may have it until it says otherwise."""
        queued = self._held(connection, claimed)
        if queued is not None:
            tries = (
                queued.attempts if maybe_taken else queued.attempts - 1
            )  # an outage is not the message's fault
            values = {
                "state": WAITING,
                "lease_owner": "",
                "lease_until": None,
                "due_at": due_at,
                "attempts": tries,
            }
            connection.execute(_PUT_BACK, {"its_position": queued.position, **values})
            if not (maybe_taken or claimed.outgoing.again):
                states.take_back(connection, claimed.sid, now)
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
        return connection.execute(_HELD, {"sids": [claimed.sid], "lease": self.lease}).first()

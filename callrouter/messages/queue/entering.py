"""How a message gets into the queue of a carrier, from there into another's, or out."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from callrouter.calls.store import OutboxRow
from callrouter.messages import states
from callrouter.messages.once import once
from callrouter.messages.queue import health
from callrouter.messages.queue.claims import QUEUE, WAITING
from callrouter.messages.routing.choose import Decision, choose
from callrouter.messages.status import Status
from callrouter.messages.transport import PRESENCE
from callrouter.models import MessageDecision, QueuedMessage

CAP = 100_000
"""Messages in one carrier's queue (PQ-10)."""
ACCOUNT_CAP = 20_000
"""Of these, one account's: so that its flood is its own trouble (PQ-9)."""
MOVES = 3
"""How often a message may change its queue (PQ-7)."""
PRIORITIES = 9
FULL, NO_ROUTE = 21611, 21612
CLIENT = "client:"

Put = Callable[[Connection, Any, Sequence[dict[str, Any]]], object]
"""How rows are inserted: at once, or by `foundation.db.later` where nobody reads them before the commit."""

_QUEUE_IT, _DECIDED = insert(QueuedMessage), insert(MessageDecision)
_WAITS = (
    select(QUEUE)
    .where(QUEUE.c.message_sid == bindparam("message_sid"), QUEUE.c.state == WAITING)
    .with_for_update()
)
_LEAVE = delete(QUEUE).where(QUEUE.c.position == bindparam("its_position"))
_DEPTH = select(health.HEALTH.c.depth).where(health.HEALTH.c.carrier == bindparam("carrier"))
_OWN = select(func.count()).where(
    QUEUE.c.carrier == bindparam("carrier"), QUEUE.c.account_sid == bindparam("account_sid")
)


def lane(account_sid: str, from_: str, to: str) -> str:
    """What messages have in common that must leave one after the other (PQ-5)."""
    return hashlib.sha256("\0".join((account_sid, from_, to)).encode()).hexdigest()


def decide(
    connection: Connection,
    account_sid: str,
    to: str,
    kind: str,
    now: float,
    random: Callable[[], float],
    *,
    avoid: Sequence[str] = (),
    preferred: str = "",
) -> Decision:
    """The queue for a message to a phone or a client; its `carrier` is empty when there is none."""
    if to.startswith(CLIENT):
        return Decision(
            carrier="" if PRESENCE in avoid else PRESENCE, prefix="", reason="only", considered=()
        )
    return choose(connection, account_sid, to, kind, now, random, avoid=tuple(avoid), preferred=preferred)


def full(connection: Connection, carrier: str, account_sid: str) -> bool:
    """Whether the queue takes no more; a flood may overshoot by a second's worth, because its length is measured."""
    its = {"carrier": carrier, "account_sid": account_sid}
    length = once(connection, ("depth", carrier), lambda: connection.execute(_DEPTH, its).scalar() or 0)
    if length < ACCOUNT_CAP:
        return False
    own = once(connection, ("own", carrier, account_sid), lambda: connection.execute(_OWN, its).scalar_one())
    return length >= CAP or own >= ACCOUNT_CAP


def inserted(connection: Connection, statement: Any, rows: Sequence[dict[str, Any]]) -> None:
    """A `Put`: at once."""
    connection.execute(statement, rows)


def enter(
    connection: Connection,
    message: Mapping[str, Any],
    decision: Decision,
    now: float,
    *,
    priority: int = 0,
    put: Put = inserted,
) -> None:
    """Puts a message, whose row this is, into the queue that was decided on. A higher priority leaves sooner."""
    put(connection, _DECIDED, [_explained(message, decision, now, attempt=1, reason=decision.reason)])
    row = {
        "account_sid": message["account_sid"],
        "message_sid": message["sid"],
        "carrier": decision.carrier,
        "lane": lane(message["account_sid"], message["from"], message["to"]),
        "prefix": decision.prefix,
        "kind": kind(message["num_media"]),
        "segments": max(1, message["num_segments"]),
        "priority": -min(PRIORITIES, max(0, priority)),
        "state": WAITING,
        "due_at": now,
        "valid_until": message["valid_until"],
        "enqueued_at": now,
    }
    put(connection, _QUEUE_IT, [row])


def move(
    connection: Connection,
    queued: Any,
    message: Any,
    now: float,
    random: Callable[[], float],
    *,
    possible_duplicate: bool = False,
    refused: bool = False,
) -> bool:
    """Moves a message from its queue to another; False when no other takes it, or it moved too often (PQ-7).

    It keeps its place among its pair's (PQ-5). `possible_duplicate`: the carrier that it leaves may have it. One that
    was not `refused` waits for its carrier to come back, rather than for another that fails too; and if that one fails
    later, the first may have it again.
    """
    if queued.moves >= MOVES:
        return False
    avoid = [*queued.avoided, queued.carrier]
    decision = decide(connection, queued.account_sid, message.to, queued.kind, now, random, avoid=avoid)
    if not decision.carrier or decision.carrier in avoid:
        return False
    if not refused and _fails(decision):
        return False
    _explain_move(connection, message, decision, now)
    values = {
        "carrier": decision.carrier,
        "prefix": decision.prefix,
        "state": WAITING,
        "lease_owner": "",
        "lease_until": None,
        "due_at": now,
        "moves": queued.moves + 1,
        "avoided": avoid if refused or possible_duplicate else queued.avoided,
    }
    connection.execute(update(QueuedMessage).where(QUEUE.c.position == queued.position).values(values))
    if not possible_duplicate:
        states.take_back(connection, message.sid, now)
    return True


def _fails(decision: Decision) -> bool:
    """Whether the carrier that was chosen is only tried."""
    return any(one["carrier"] == decision.carrier and one.get("probing") for one in decision.considered)


def waiting(connection: Connection, message_sid: str) -> Any:
    """The message's queue row, locked, if it waits in a queue and no process holds it."""
    return connection.execute(_WAITS, {"message_sid": message_sid}).first()


def leave(connection: Connection, *queued: Any) -> None:
    """Takes these out of their queue."""
    if queued:
        connection.execute(_LEAVE, [{"its_position": one.position} for one in queued])


def fail(connection: Connection, queued: Any, code: int, now: float, *, owner: str) -> list[OutboxRow]:
    """Takes it out of its queue as failed."""
    leave(connection, queued)
    moved = states.move(
        connection,
        queued.account_sid,
        queued.message_sid,
        Status.FAILED,
        now,
        owner=owner,
        error_code=code,
        due_at=None,
    )
    return moved or []


def kind(num_media: int) -> str:
    return "mms" if num_media else "sms"


def _explain_move(connection: Connection, message: Any, decision: Decision, now: float) -> None:
    mine = (
        MessageDecision.account_sid == message.account_sid,
        MessageDecision.message_sid == message.sid,
    )
    before = connection.execute(select(func.count()).select_from(MessageDecision).where(*mine)).scalar_one()
    row = _explained(message._mapping, decision, now, attempt=before + 1, reason="moved")
    connection.execute(_DECIDED, [row])


def _explained(
    message: Mapping[str, Any], decision: Decision, now: float, *, attempt: int, reason: str
) -> dict[str, Any]:
    """Why, as it is stored (MR-10)."""
    return {
        "account_sid": message["account_sid"],
        "message_sid": message["sid"],
        "attempt": attempt,
        "at": now,
        "carrier": decision.carrier,
        "reason": reason,
        "considered": list(decision.considered),
    }

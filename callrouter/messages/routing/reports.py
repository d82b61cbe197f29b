"""What carriers and apps say became of a message (MR-3, MR-4, MR-8): its status, and the evidence for routes.

A report may come twice, late, before the hand-off is stored, or against an earlier one. The status moves forward only
(I5); what changes nothing is kept in the message's history. A message that was reported as delivered leaves whatever
queue it is in by then, so that it is never sent again (MR-11).
"""

from types import SimpleNamespace
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from callrouter.calls.store import OutboxRow
from callrouter.messages import states
from callrouter.messages.routing import evidence
from callrouter.messages.routing.fate import Feedback, Outcome, fate
from callrouter.messages.routing.operator import wishes
from callrouter.messages.status import Status, may_move
from callrouter.models import Message, MessageDecision, QueuedMessage, TimelineEntry
from foundation.webserver.errors import ApiError

MEANING = {
    "delivered": Status.DELIVERED,
    "undelivered": Status.UNDELIVERED,
    "failed": Status.UNDELIVERED,  # it was handed over, so it did not fail here
    "read": Status.READ,
}
ARRIVED = (Status.DELIVERED, Status.READ)
UNKNOWN_ERROR = 30008
ERRORS = range(30001, 31000)
HISTORY = 20
"""Reports without effect that are kept of a message."""
REPLY_SECONDS = 24 * 3600.0
"""So long after a message a reply proves that it arrived."""
INBOUND = "inbound"

QUEUE = QueuedMessage.__table__
_QUEUED = select(QUEUE).where(QUEUE.c.message_sid == bindparam("sid")).with_for_update()
_MESSAGE = select(Message.__table__).where(states.MESSAGES.sid == bindparam("sid")).with_for_update()


def apply(
    connection: Connection,
    carrier: str,
    message_sid: str,
    status: str,
    error_code: int | None,
    now: float,
    owner: str,
) -> tuple[Status, list[OutboxRow]]:
    """Takes a carrier's delivery report: the message's status after it, and the outbox entries that this made.

    ApiError: 404 when the carrier was never given such a message, 400 for a status that is none.
    """
    if status not in MEANING:
        raise ApiError(400, 20001, f"No delivery status {status!r}; there are {', '.join(MEANING)}.")
    queued = _queued(connection, message_sid)
    row = connection.execute(_MESSAGE, {"sid": message_sid}).first()
    if row is None or row.direction == INBOUND or not _had(connection, carrier, row):
        raise ApiError(404, 20404, f"Carrier {carrier!r} has no message {message_sid!r} here.")
    to = _target(row, MEANING[status], foreign=carrier != (queued or row).carrier)
    if to is None:
        _keep(connection, row, carrier, status, error_code, now)
        return Status(row.status), []
    changes: dict[str, Any] = {"carrier": carrier, "carrier_message_id": row.sid, "due_at": row.due_at}
    if row.date_sent is None:  # the report is here before the answer to the hand-off (OM9)
        changes |= {"date_sent": now, "due_at": now + wishes.report_seconds}
    if row.feedback is None or to not in ARRIVED:
        changes |= {"reported_at": now if row.reported_at is None else row.reported_at, "due_at": None}
    code = None if to in ARRIVED else error_code if error_code in ERRORS else UNKNOWN_ERROR
    values, rows = states.moved(row, to, now, owner=owner, error_code=code, **changes)
    states.change(connection, (row, values))
    states.tell(connection, rows)
    if queued is not None:
        _leave_queue(connection, queued)
    evidence.changed(connection, row, _with(row, **changes, status=to), now)
    return to, rows


def feedback(connection: Connection, account_sid: str, sid: str, outcome: str, now: float) -> Any:
    """An app's word, by REST: `confirmed`, or `unconfirmed` to ask for it (MR-3). The message's row after it.

    ApiError: 404 when the account has sent no such message, 400 for another outcome, 409 before it was sent.
    """
    if outcome not in (Feedback.CONFIRMED, Feedback.UNCONFIRMED):
        raise ApiError(400, 20001, f"Outcome must be confirmed or unconfirmed, not {outcome!r}.")
    queued = _queued(connection, sid)
    row = states.found(connection, account_sid, sid, locked=True)
    if row is None or row.direction == INBOUND:
        raise ApiError(404, 20404, f"Message {sid} was not found.")
    if outcome == Feedback.CONFIRMED:
        if row.date_sent is None and row.status != Status.SENDING:
            raise ApiError(409, 20409, f"Message {sid} is {row.status}: nobody can have received it.")
        _confirm(connection, row, queued, now)
    elif row.feedback is None and fate(row).outcome is None:
        _change(connection, row, feedback=Feedback.UNCONFIRMED, date_updated=now)
    return states.found(connection, account_sid, sid)


def answered(connection: Connection, account_sid: str, number: str, phone: str, now: float) -> None:
    """A phone wrote to our number: so the last message from there to it arrived, unless it was said not to (MR-3)."""
    last = connection.execute(
        select(states.MESSAGES.sid)
        .where(
            states.MESSAGES.account_sid == account_sid,
            states.MESSAGES.to == phone,
            states.MESSAGES["from"] == number,
            states.MESSAGES.date_created > now - REPLY_SECONDS,
            states.MESSAGES.date_sent.is_not(None),
        )
        .order_by(states.MESSAGES.date_created.desc())
        .limit(1)
    ).scalar()
    if last is None:
        return
    row = states.found(connection, account_sid, last, locked=True)
    if row is not None and fate(row).outcome in (None, Outcome.UNREPORTED):
        _confirm(connection, row, None, now)


def silent(connection: Connection, account_sid: str, sid: str, now: float) -> None:
    """The message's time for a report is over (MR-4). Its status stays: it is not known that it did not arrive."""
    row = states.found(connection, account_sid, sid, locked=True)
    if row is None or row.due_at is None or row.due_at > now or not fate(row).handed:
        return
    changes: dict[str, Any] = {"due_at": None}
    if row.feedback == Feedback.UNCONFIRMED:
        changes |= {"feedback": Feedback.UNDELIVERED}
    _change(connection, row, **changes)
    evidence.changed(connection, row, _with(row, **changes), now)


def _target(row: Any, wanted: Status, *, foreign: bool) -> Status | None:
    """The status that a report moves the message to; None when it changes nothing.

    That it did not arrive counts from who has it; `foreign`, another one has it now. That it did is true whoever
    brought it there.
    """
    before = Status(row.status)
    if wanted not in ARRIVED and (foreign or before not in (Status.SENDING, Status.SENT)):
        return None
    if wanted is Status.READ and not may_move(before, Status.READ):
        wanted = Status.DELIVERED
    return wanted if may_move(before, wanted) else None


def _had(connection: Connection, carrier: str, row: Any) -> bool:
    """Whether the message was ever meant for that carrier; others must not learn that it exists (MR-8)."""
    if row.carrier == carrier:
        return True
    decision = select(MessageDecision.attempt).where(
        MessageDecision.account_sid == row.account_sid,
        MessageDecision.message_sid == row.sid,
        MessageDecision.carrier == carrier,
    )
    return connection.execute(decision.limit(1)).first() is not None


def _confirm(connection: Connection, row: Any, queued: Any, now: float) -> None:
    if row.feedback == Feedback.CONFIRMED:
        return
    changes: dict[str, Any] = {"feedback": Feedback.CONFIRMED, "due_at": None, "date_updated": now}
    if row.reported_at is None:
        changes["reported_at"] = now
    if row.date_sent is None:  # no answer to the hand-off was heard, but here is the proof of it
        changes |= {"date_sent": now, "status": Status.DELIVERED}
        states.move(connection, row.account_sid, row.sid, Status.DELIVERED, now, owner="", date_sent=now)
    _change(connection, row, **changes)
    if queued is not None:
        _leave_queue(connection, queued)
    evidence.changed(connection, row, _with(row, **changes), now)


def _queued(connection: Connection, sid: str) -> Any:
    """Its queue row, which whoever changes a message that waits locks first."""
    return connection.execute(_QUEUED, {"sid": sid}).first()


def _leave_queue(connection: Connection, queued: Any) -> None:
    connection.execute(delete(QueuedMessage).where(QueuedMessage.position == queued.position))


def _change(connection: Connection, row: Any, **columns: Any) -> None:
    mine = (states.MESSAGES.account_sid == row.account_sid, states.MESSAGES.sid == row.sid)
    connection.execute(update(Message).where(*mine).values(columns))


def _with(row: Any, **changes: Any) -> Any:
    return SimpleNamespace(**{**row._mapping, **changes})


def _keep(
    connection: Connection, row: Any, carrier: str, status: str, error_code: int | None, now: float
) -> None:
    """A report without effect goes into the message's history, once each, and not without end (I5, I14)."""
    entries = TimelineEntry.__table__.c
    mine = (entries.account_sid == row.account_sid, entries.call_sid == row.sid)
    before = connection.execute(
        select(entries.source, entries.summary).where(*mine).order_by(entries.position)
    ).all()
    summary = f"reported {status}, which changes nothing: it is {row.status}"
    if len(before) >= HISTORY or (carrier, summary) in {(one.source, one.summary) for one in before}:
        return
    connection.execute(
        insert(TimelineEntry).values(
            account_sid=row.account_sid,
            call_sid=row.sid,
            position=len(before),
            at=now,
            source=carrier,
            target="router",
            summary=summary,
            detail={"status": status, "error_code": error_code},
        )
    )

"""The one place where a stored message changes its status: the row and its status callback in one transaction (I4)."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from callrouter.calls.store import OutboxRow
from callrouter.messages.status import Status, may_move
from callrouter.models import Message, Outbox

API_VERSION = "2010-04-01"
MESSAGES = Message.__table__.c


def found(connection: Connection, account_sid: str, sid: str, *, locked: bool = False) -> Row[Any] | None:
    """The message; `locked` keeps other writers off it until the commit."""
    query = select(Message.__table__).where(MESSAGES.account_sid == account_sid, MESSAGES.sid == sid)
    return connection.execute(query.with_for_update() if locked else query).first()


def move(
    connection: Connection,
    account_sid: str,
    sid: str,
    to: Status,
    now: float,
    *,
    owner: str,
    error_code: int | None = None,
    **columns: Any,
) -> list[OutboxRow] | None:
    """Moves the message to that status, with further columns: the outbox entries that this made.

    None, and nothing is written, when there is no such message or its status may not move so. `owner` is the router
    that is to carry the entries out after the commit; "" for any.
    """
    row = found(connection, account_sid, sid, locked=True)
    if row is None or not may_move(Status(row.status), to):
        return None
    rows = _told(row, to, now, owner=owner, error_code=error_code)
    values = {**columns, "status": to, "date_updated": now, "callbacks": row.callbacks + len(rows)}
    if error_code is not None:
        values["error_code"] = error_code
    if to is Status.SENT or (to in (Status.DELIVERED, Status.UNDELIVERED) and row.date_sent is None):
        values.setdefault("date_sent", now)
    connection.execute(
        update(Message).where(MESSAGES.account_sid == account_sid, MESSAGES.sid == sid).values(values)
    )
    if rows:
        connection.execute(insert(Outbox), rows)
    return rows


def hand_over(connection: Connection, sids: Sequence[str], carrier: str, now: float) -> None:
    """These are being given to that carrier. Nobody is told: it comes and goes in a moment, and Twilio does not either.

    One that is `sending` already was given to a carrier before, and no answer was heard (OM5 to OM8).
    """
    chosen = update(Message).where(MESSAGES.sid.in_(sids))
    connection.execute(chosen.where(MESSAGES.status == Status.SENDING).values(possible_duplicate=True))
    connection.execute(
        chosen.where(MESSAGES.status.in_((Status.QUEUED, Status.SENDING))).values(
            status=Status.SENDING, carrier=carrier, carrier_message_id=MESSAGES.sid, date_updated=now
        )
    )


def take_back(connection: Connection, account_sid: str, sid: str, now: float) -> None:
    """The carrier is known not to have it: it waits again, and may go elsewhere."""
    connection.execute(
        update(Message)
        .where(MESSAGES.account_sid == account_sid, MESSAGES.sid == sid, MESSAGES.status == Status.SENDING)
        .values(status=Status.QUEUED, date_updated=now)
    )


def _told(row: Any, to: Status, now: float, *, owner: str, error_code: int | None) -> list[OutboxRow]:
    """The status callback, where the message has one (twilio-surface 4.5)."""
    if not row.status_callback:
        return []
    parameters = {
        "MessageSid": row.sid,
        "SmsSid": row.sid,
        "MessageStatus": to.value,
        "SmsStatus": to.value,
        "AccountSid": row.account_sid,
        "From": row._mapping["from"],
        "To": row.to,
        "ApiVersion": API_VERSION,
    }
    if row.messaging_service_sid:
        parameters["MessagingServiceSid"] = row.messaging_service_sid
    if error_code is not None:
        parameters["ErrorCode"] = str(error_code)
    entry = {
        "id": f"{row.sid}.{row.callbacks}",
        "account_sid": row.account_sid,
        "call_sid": row.sid,
        "lane": f"callbacks:{row.sid}",
        "position": row.callbacks,
        "kind": "callback",
        "payload": {
            "url": row.status_callback,
            "method": "POST",
            "parameters": parameters,
            "call_sid": row.sid,
        },
        "attempts": 0,
        "due_at": now,
        "owner": owner,
        "created_at": now,
    }
    return [entry]

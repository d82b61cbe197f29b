"""The one place where a stored message changes its status: the row and its status callback in one transaction (I4)."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Table, bindparam, insert, or_, select, update

from callrouter.calls.store import OutboxRow
from callrouter.messages.status import Status, may_move
from callrouter.messages.transport import PRESENCE
from callrouter.models import Message, Outbox

API_VERSION = "2010-04-01"
_TABLE = Message.__table__
assert isinstance(_TABLE, Table)
MESSAGES = _TABLE.c
_ITS = (MESSAGES.account_sid == bindparam("its_account"), MESSAGES.sid == bindparam("its_sid"))
_FIND = select(Message.__table__).where(*_ITS)
_LOCK = _FIND.with_for_update()
_CHANGE = update(_TABLE).where(*_ITS)
_TELL = insert(Outbox)
_CHANGE_SENDING = update(_TABLE).where(_ITS[1], MESSAGES.status == Status.SENDING)
_HAND_OVER = update(_TABLE).where(
    _ITS[1], or_(MESSAGES.status == Status.QUEUED, MESSAGES.status == Status.SENDING)
)


def found(connection: Connection, account_sid: str, sid: str, *, locked: bool = False) -> Row[Any] | None:
    """The message; `locked` keeps other writers off it until the commit."""
    its = {"its_account": account_sid, "its_sid": sid}
    return connection.execute(_LOCK if locked else _FIND, its).first()


def change(connection: Connection, *changes: tuple[Any, Mapping[str, Any]]) -> None:
    """Writes columns of messages, whose rows these are: of each the same columns."""
    if changes:
        its = [{"its_account": row.account_sid, "its_sid": row.sid, **values} for row, values in changes]
        connection.execute(_CHANGE, its)


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
    values, rows = moved(row, to, now, owner=owner, error_code=error_code, **columns)
    change(connection, (row, values))
    tell(connection, rows)
    return rows


def moved(
    row: Any, to: Status, now: float, *, owner: str, error_code: int | None = None, **columns: Any
) -> tuple[dict[str, Any], list[OutboxRow]]:
    """What is written when the message, whose row this is, moves there: its columns, and outbox entries."""
    rows = _told(row, to, now, owner=owner, error_code=error_code)
    values = {**columns, "status": to, "date_updated": now, "callbacks": row.callbacks + len(rows)}
    if error_code is not None:
        values["error_code"] = error_code
    if to is Status.SENT or (to in (Status.DELIVERED, Status.UNDELIVERED) and row.date_sent is None):
        values.setdefault("date_sent", now)
    return values, rows


def tell(connection: Connection, rows: Sequence[OutboxRow]) -> None:
    """Stores outbox entries."""
    if rows:
        connection.execute(_TELL, rows)


def hand_over(connection: Connection, rows: Sequence[Any], carrier: str, now: float) -> None:
    """These are being given to that carrier. Nobody is told: it comes and goes in a moment, and Twilio does not either.

    One that is `sending` already was given to a carrier before, and no answer was heard (OM5 to OM8).
    """
    values = {"status": Status.SENDING, "carrier": carrier, "date_updated": now}
    given = [{"its_sid": row.sid, "carrier_message_id": row.sid, **values} for row in rows]
    again = [{"its_sid": row.sid, "possible_duplicate": True} for row in rows if row.status == Status.SENDING]
    if again and carrier != PRESENCE:  # which knows a message by its SID, whatever happens
        connection.execute(_CHANGE_SENDING, again)
    if given:
        connection.execute(_HAND_OVER, given)


def take_back(connection: Connection, sid: str, now: float) -> None:
    """The carrier is known not to have it: it waits again, and may go elsewhere."""
    connection.execute(_CHANGE_SENDING, {"its_sid": sid, "status": Status.QUEUED, "date_updated": now})


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

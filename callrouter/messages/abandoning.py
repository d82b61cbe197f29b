"""What becomes of a message whose work can't be done, because something in callrouter always fails at it (F43)."""

from typing import Any

from sqlalchemy import Connection, delete

from callrouter.calls.store import INSERT_NOTE, OutboxRow
from callrouter.messages import states
from callrouter.messages.status import Status
from callrouter.models import MessageProgram
from foundation.db import later
from foundation.sids import NOTIFICATION, new_sid

PLATFORM_FAULT, UNKNOWN_ERROR = 12400, 30008


def abandon(connection: Connection, row: OutboxRow, now: float) -> None:
    """Nothing waits for ever (I6): what came in counts as received, what was to go out fails, and the account is told.
    Whichever router is first carries out what this makes."""
    account_sid, sid = row["account_sid"], row["call_sid"]
    message = states.found(connection, account_sid, sid)
    if message is None:
        return
    program = (MessageProgram.account_sid == account_sid, MessageProgram.message_sid == sid)
    connection.execute(delete(MessageProgram).where(*program))
    if message.direction == "inbound":
        states.move(connection, account_sid, sid, Status.RECEIVED, now, owner="")
    else:
        failed: dict[str, Any] = {"error_code": UNKNOWN_ERROR, "due_at": None}
        states.move(connection, account_sid, sid, Status.FAILED, now, owner="", **failed)
    note = {
        "account_sid": account_sid,
        "sid": new_sid(NOTIFICATION),
        "call_sid": sid,
        "log": "0",
        "error_code": str(PLATFORM_FAULT),
        "message_text": "callrouter could not go on with this message: a fault of this installation; its log says why.",
        "message_date": now,
        "request_url": None,
    }
    later(connection, INSERT_NOTE, [note])

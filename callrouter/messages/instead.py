"""What becomes of a message to a client who is not there, as its sender said in `otherwise` (PR-73):

hold          it waits until it is no longer valid; the default
tell          it fails at once, and the status callback says so
+15551234567  it goes to that number instead, from the number that it came from
"""

import hashlib
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, select

from callrouter.calls.store import OutboxRow
from callrouter.messages import outgoing, sessions, states
from callrouter.messages.outgoing import Submission
from callrouter.models import MessageMedia
from foundation.sids import MESSAGE, MESSAGE_WITH_MEDIA
from foundation.webserver.errors import ApiError

PATIENCE = 30.0
"""Seconds in which a device must acknowledge a message that is not to be held: else nobody counts as there."""
HOLD, TELL = "hold", "tell"
PIECES = MessageMedia.__table__.c


def holds(otherwise: str | None) -> bool:
    return otherwise in (None, "", HOLD)


def number(otherwise: str | None) -> str:
    """The number to go to instead; empty for none."""
    return otherwise if otherwise is not None and otherwise.startswith("+") else ""


def send_instead(
    connection: Connection, message: Any, now: float, *, owner: str, random: Callable[[], float]
) -> tuple[str, list[OutboxRow]]:
    """Sends the message to the number that its sender named: what was done, and the entries to carry out. The new SID
    is made of the message's, so that it happens once."""
    to = number(message.otherwise)
    if not to:
        return "its sender is told", []
    from_ = _sender(connection, message)
    if not from_:
        return f"it can't go to {to}, because it came from no number", []
    media = _media(connection, message)
    sid = _sid(message.sid, media=bool(media))
    if states.found(connection, message.account_sid, sid) is not None:
        return f"it went to {to} instead", []
    submission = Submission(
        account_sid=message.account_sid,
        sid=sid,
        direction=message.direction,
        from_=from_,
        to=to,
        body=message.body,
        media_urls=media,
        messaging_service_sid=message.messaging_service_sid,
        status_callback=message.status_callback,
        answers=message.answers,
        session_sid=message.session_sid,
    )
    try:
        with connection.begin_nested():
            sent = outgoing.submit(connection, submission, now, owner=owner, random=random)
    except ApiError as refused:
        return f"it can't go to {to}: {refused.code} {refused.message}", []
    return f"it goes to {to} instead", sent.rows


def _sender(connection: Connection, message: Any) -> str:
    """A number of the account's: the one it came from, or that of its session."""
    if message.session_sid:
        session = sessions.find(connection, message.account_sid, message.session_sid)
        return str(session.number) if session is not None else ""
    from_ = str(message._mapping["from"])
    return "" if from_.startswith("client:") else from_


def _media(connection: Connection, message: Any) -> tuple[str, ...]:
    mine = (PIECES.account_sid == message.account_sid, PIECES.message_sid == message.sid)
    found = connection.execute(select(PIECES.url).where(*mine).order_by(PIECES.position))
    return tuple(found.scalars()) if message.num_media else ()


def _sid(message_sid: str, *, media: bool) -> str:
    digest = hashlib.blake2b(f"instead {message_sid}".encode(), digest_size=16).hexdigest()
    return (MESSAGE_WITH_MEDIA if media else MESSAGE) + digest

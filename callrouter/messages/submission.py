"""A message that is wanted, as a value: what it says, what its messaging service adds, and the row that it becomes."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection

from callrouter.messages import senders, text
from callrouter.messages.status import Status
from foundation.webserver.errors import ApiError

LONGEST_VALIDITY = 36_000
"""Seconds for which a message may wait to be sent."""
NO_BODY, TOO_LONG = 21602, 21617


@dataclass(frozen=True, kw_only=True)
class Submission:
    """A message that is wanted. A sender or a service is given; times are Unix seconds, `validity` seconds."""

    account_sid: str
    sid: str
    """a new one; SM…, or MM… with media"""
    direction: str
    from_: str
    """empty: the service chooses"""
    to: str
    body: str
    media_urls: Sequence[str] = ()
    messaging_service_sid: str | None = None
    status_callback: str | None = None
    answers: str | None = None
    session_sid: str | None = None
    validity: int = LONGEST_VALIDITY
    send_at: float | None = None
    provide_feedback: bool = False
    smart_encoded: bool = False
    otherwise: str | None = None
    media_required: bool = False
    priority: int = 0
    """0 to 9: the higher leaves sooner, of the account's own"""
    idempotency_key: str | None = None
    idempotency_digest: str = field(default="", repr=False)


def as_its_service_wants(connection: Connection, submission: Submission) -> Submission:
    """The submission with what its messaging service says where it says nothing itself; its body as it will be sent."""
    smart, callback, validity = (
        submission.smart_encoded,
        submission.status_callback,
        submission.validity,
    )
    if submission.messaging_service_sid:
        row = senders.service(connection, submission.account_sid, submission.messaging_service_sid)
        smart = smart or row.smart_encoding
        callback = row.status_callback if callback is None else callback
        validity = min(validity, row.validity_period)
    body = text.smart(submission.body) if smart else submission.body
    if len(body) > text.MAX:  # some characters become several
        body = submission.body
    return replace(submission, body=body, status_callback=callback or None, validity=validity)


def demand_content(submission: Submission) -> None:
    """ApiError 21602 without anything to send, 21617 with too much."""
    if not (submission.body or submission.media_urls):
        raise ApiError(400, NO_BODY, "A message needs a Body or a MediaUrl.")
    if len(submission.body) > text.MAX:
        raise ApiError(
            400, TOO_LONG, f"The Body has {len(submission.body)} characters; {text.MAX} can be sent."
        )


def row(submission: Submission, phone_number_sid: str | None, now: float) -> dict[str, Any]:
    """Of `messages`, as it is stored first."""
    measured = text.measure(submission.body)
    status = Status.QUEUED if submission.from_ else Status.ACCEPTED
    if submission.send_at is not None:
        status = Status.SCHEDULED
    due_at = submission.send_at if status is Status.SCHEDULED else now if status is Status.ACCEPTED else None
    return {
        "account_sid": submission.account_sid,
        "sid": submission.sid,
        "direction": submission.direction,
        "from": submission.from_,
        "to": submission.to,
        "body": submission.body,
        "encoding": measured.encoding,
        "num_segments": measured.segments,
        "num_media": len(submission.media_urls),
        "status": status,
        "messaging_service_sid": submission.messaging_service_sid,
        "phone_number_sid": phone_number_sid,
        "answers": submission.answers,
        "session_sid": submission.session_sid,
        "status_callback": submission.status_callback,
        "otherwise": submission.otherwise,
        "media_required": submission.media_required,
        "feedback": "unconfirmed" if submission.provide_feedback else None,
        "valid_until": (submission.send_at or now) + submission.validity,
        "due_at": due_at,
        "date_created": now,
        "date_updated": now,
    }

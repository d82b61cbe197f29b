"""A call's status: which may follow which, and what every cause of an end makes of it.

The rule of reliability-security I4 and I5: a status never goes backwards, and there is one terminal status.
https://www.twilio.com/docs/voice/api/call-resource#call-status-values
"""

from enum import StrEnum

from instructions.events import LegStatus


class Status(StrEnum):
    QUEUED = "queued"
    RINGING = "ringing"
    IN_PROGRESS = "in-progress"
    COMPLETED = "completed"
    BUSY = "busy"
    NO_ANSWER = "no-answer"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def final(self) -> bool:
        return self not in FOLLOWS


UNANSWERED_ENDS = frozenset({Status.BUSY, Status.NO_ANSWER, Status.FAILED, Status.CANCELED})
FOLLOWS = {
    Status.QUEUED: frozenset({Status.RINGING, Status.IN_PROGRESS, Status.COMPLETED}) | UNANSWERED_ENDS,
    Status.RINGING: frozenset({Status.IN_PROGRESS, Status.COMPLETED}) | UNANSWERED_ENDS,
    Status.IN_PROGRESS: frozenset({Status.COMPLETED}),
}

CALLBACK_EVENTS = {Status.QUEUED: "initiated", Status.RINGING: "ringing", Status.IN_PROGRESS: "answered"}
"""The status callback event of each status; every final one is `completed` (twilio-surface 4.3)."""


class Cause(StrEnum):
    """Why a leg ended. The first seven are the carrier protocol's words (docs/protocols/carrier.md)."""

    NORMAL = "normal"
    BUSY = "busy"
    NO_ANSWER = "no-answer"
    REJECTED = "rejected"
    CANCELED = "canceled"
    UNREACHABLE = "unreachable"
    FAILED = "failed"
    NOT_REGISTERED = "not-registered"
    NOT_AVAILABLE = "not-available"
    PRESENCE_UNAVAILABLE = "presence-unavailable"
    MEDIA_TIMEOUT = "media-timeout"
    MEDIA_LOST = "media-lost"
    SOCKET_LOST = "socket-lost"
    CARRIER_UNAVAILABLE = "carrier-unavailable"
    NOT_ALLOWED = "not-allowed"
    APPLICATION_ERROR = "application-error"
    API = "api"
    TIME_LIMIT = "time-limit"


UNANSWERED = {
    Cause.NORMAL: Status.CANCELED,
    Cause.BUSY: Status.BUSY,
    Cause.REJECTED: Status.BUSY,
    Cause.NO_ANSWER: Status.NO_ANSWER,
    Cause.UNREACHABLE: Status.NO_ANSWER,
    Cause.NOT_REGISTERED: Status.NO_ANSWER,
    Cause.NOT_AVAILABLE: Status.NO_ANSWER,
    Cause.SOCKET_LOST: Status.NO_ANSWER,
    Cause.CANCELED: Status.CANCELED,
    Cause.API: Status.CANCELED,
}
"""What a leg that was never answered becomes; every cause that is not named: failed."""


SIP_CODES = {
    Cause.BUSY: "486",
    Cause.REJECTED: "603",
    Cause.NOT_REGISTERED: "480",
    Cause.NOT_AVAILABLE: "603",
    Cause.UNREACHABLE: "404",
    Cause.NO_ANSWER: "408",
    Cause.CANCELED: "487",
}
"""DialSipResponseCode, or SipResponseCode in its status callback, of a leg that was never answered: so an app tells
"not registered" from "takes no calls now" and from "rang out" (PR-56)."""


def ending(cause: Cause, answered: bool) -> Status:
    """The final status of a leg that ends for this cause: total, for every cause."""
    return Status.COMPLETED if answered else UNANSWERED.get(cause, Status.FAILED)


def leg_status(status: Status) -> LegStatus:
    """A final status as the language knows it."""
    return LegStatus(status.value)


def cause_of(word: object) -> Cause:
    """A carrier's word for it; anything unknown is a failure."""
    try:
        return Cause(str(word))
    except ValueError:
        return Cause.FAILED

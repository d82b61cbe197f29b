"""The status of a message, and how it may move (https://www.twilio.com/docs/messaging/guides/outbound-message-status)."""

from enum import StrEnum


class Status(StrEnum):
    ACCEPTED = "accepted"
    """a messaging service has it and has not chosen a sender"""
    SCHEDULED = "scheduled"
    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    FAILED = "failed"
    CANCELED = "canceled"
    READ = "read"
    RECEIVING = "receiving"
    """its media are still being fetched"""
    RECEIVED = "received"


MOVES: dict[Status, frozenset[Status]] = {
    Status.ACCEPTED: frozenset({Status.QUEUED, Status.FAILED, Status.CANCELED}),
    Status.SCHEDULED: frozenset({Status.ACCEPTED, Status.QUEUED, Status.FAILED, Status.CANCELED}),
    Status.QUEUED: frozenset(
        {
            Status.SENDING,
            Status.SENT,
            Status.DELIVERED,
            Status.UNDELIVERED,
            Status.FAILED,
            Status.CANCELED,
        }
    ),
    Status.SENDING: frozenset(
        {Status.QUEUED, Status.SENT, Status.DELIVERED, Status.UNDELIVERED, Status.FAILED}
    ),
    Status.SENT: frozenset({Status.DELIVERED, Status.UNDELIVERED, Status.READ}),
    Status.DELIVERED: frozenset({Status.READ}),
    Status.RECEIVING: frozenset({Status.RECEIVED}),
}
"""From `sending` back to `queued` only when the carrier is known not to have it: then it may go elsewhere (PQ-7). A
report may overtake the answer to the hand-off, so it may find the message before `sent` (reliability-security OM9)."""

FINAL = frozenset(Status) - frozenset(MOVES) | {Status.DELIVERED}
CANCELABLE = frozenset({Status.ACCEPTED, Status.SCHEDULED, Status.QUEUED})


def may_move(before: Status, after: Status) -> bool:
    """Never backwards (reliability-security I5)."""
    return after in MOVES.get(before, frozenset())

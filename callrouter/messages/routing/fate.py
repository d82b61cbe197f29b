"""What became of a message that was handed to a carrier, as far as the ranking of routes is concerned. Pure."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from callrouter.messages.status import Status


class Feedback(StrEnum):
    """https://www.twilio.com/docs/messaging/api/message-feedback-resource, and what is made of silence."""

    UNCONFIRMED = "unconfirmed"
    """asked for"""
    CONFIRMED = "confirmed"
    UNDELIVERED = "undelivered"
    """nobody confirmed in time (MR-4)"""


class Outcome(StrEnum):
    """Named as the columns of `RouteCount`."""

    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    UNREPORTED = "unreported"


@dataclass(frozen=True, kw_only=True)
class Fate:
    """`handed`: a carrier has it. `waiting`: the time for a report is not over."""

    status: Status
    feedback: Feedback | None
    handed: bool
    waiting: bool

    @property
    def outcome(self) -> Outcome | None:
        """None while it is open. Who confirmed is believed more than a carrier; when that was asked for, a carrier's
        word that it was delivered does not do (MR-2)."""
        if not self.handed:
            return None
        if self.feedback is Feedback.CONFIRMED:
            return Outcome.DELIVERED
        if self.status in (Status.UNDELIVERED, Status.FAILED):
            return Outcome.UNDELIVERED
        if self.feedback is None and self.status in (Status.DELIVERED, Status.READ):
            return Outcome.DELIVERED
        return None if self.waiting else Outcome.UNREPORTED


def fate(row: Any) -> Fate:
    """Of a row of `messages`."""
    return Fate(
        status=Status(row.status),
        feedback=Feedback(row.feedback) if row.feedback else None,
        handed=row.date_sent is not None,
        waiting=row.due_at is not None,
    )

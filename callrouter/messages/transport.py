"""What a queue hands its messages to: a carrier, or the presence server for clients."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from callrouter.messages.status import Status

PRESENCE = "presence"
"""The queue of messages to clients; no carrier may have this name."""


@dataclass(frozen=True, kw_only=True)
class Attachment:
    """`url` is ours: the carrier fetches it from callrouter, without a password."""

    sid: str
    url: str
    content_type: str


@dataclass(frozen=True, kw_only=True)
class Outgoing:
    """A message as it is handed over. `sid` is the idempotency key: sent twice, it is one message (PQ-4)."""

    account_sid: str
    sid: str
    from_: str
    to: str
    body: str
    encoding: str
    segments: int
    media: Sequence[Attachment]
    valid_until: float
    """Unix time after which it must not be delivered any more"""
    again: bool
    """it was handed over before, and no answer was heard"""
    otherwise: str | None = None
    session_sid: str | None = None
    media_required: bool = False


@dataclass(frozen=True, kw_only=True)
class Taken:
    """The carrier has it. `status` is `sent`, or `delivered` when that is known at once."""

    status: Status = Status.SENT


class NotNow(Exception):
    """The carrier works, but asks for a pause of so many seconds; it does not have the message."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"again in {seconds} s")
        self.seconds = seconds


class Unavailable(Exception):
    """No usable answer. `maybe_taken`: the request went out, so the carrier may have the message (OM5 to OM8)."""

    def __init__(self, reason: str, *, maybe_taken: bool) -> None:
        super().__init__(reason)
        self.maybe_taken = maybe_taken


class Refused(Exception):
    """The carrier will not take this message; `code` is Twilio's, from 30001. Another carrier may, if `elsewhere`."""

    def __init__(self, code: int, reason: str, *, elsewhere: bool) -> None:
        super().__init__(reason)
        self.code, self.elsewhere = code, elsewhere


class Transport(Protocol):
    async def send(self, carrier: str, message: Outgoing) -> Taken:
        """Raises NotNow, Unavailable or Refused when the carrier does not take it."""

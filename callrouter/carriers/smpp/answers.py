"""What the SMSC's word about a `submit_sm` means to the router (docs/protocols/carrier.md). Pure.

SMPP 3.4 section 5.1.3 has the numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

OK = 0x00
INVALID_LENGTH, INVALID_COMMAND = 0x02, 0x03
MESSAGE_LENGTH, BIND_STATE, ALREADY_BOUND, SYSTEM_ERROR = 0x01, 0x04, 0x05, 0x08
SOURCE, DESTINATION, BIND_FAILED, QUEUE_FULL, THROTTLED = 0x0A, 0x0B, 0x0D, 0x14, 0x58
TEMPORARY, PERMANENT, REJECTED = 0x64, 0x65, 0x66

_REASONS = {
    MESSAGE_LENGTH: 30019,
    SOURCE: 30024,
    DESTINATION: 30005,
    PERMANENT: 30007,
    REJECTED: 30007,
}
UNKNOWN_ERROR, NO_MEDIA, TOO_LATE = 30008, 30011, 30036
RETRY_AFTER = 1
"""Seconds."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the router is told. `kept`: a repeat of the message is told the same, and nothing is sent again."""

    status: int
    message: str
    code: int | None = None
    final: bool = False
    retry_after: int | None = None
    kept: bool = False

    @property
    def fields(self) -> dict[str, object]:
        told: dict[str, object] = {
            "message": self.message,
            "code": self.code,
            "retry_after": self.retry_after,
        }
        if self.final:
            told["final"] = True
        return {name: value for name, value in told.items() if value is not None}


TAKEN = Answer(status=202, message="taken", kept=True)
LINK_DOWN = Answer(status=503, message="the SMPP link is down")
FULL = Answer(status=429, message="too many messages wait for the SMPP link", retry_after=RETRY_AFTER)
SILENT = Answer(status=504, message="the SMSC has not answered; nobody knows whether it has the message")


def slow_down(status: int) -> bool:
    return status in (THROTTLED, QUEUE_FULL)


def not_taken(status: int, *, begun: bool) -> Answer:
    """The answer for a command_status. `begun`: parts of the message are with the SMSC, so nobody else may take it."""
    said = f"the SMSC answered {status:#010x}"
    if slow_down(status):
        return Answer(status=429, message=said, retry_after=RETRY_AFTER)
    if status in (SYSTEM_ERROR, TEMPORARY, BIND_STATE):
        return Answer(status=503, message=said)
    return Answer(status=400, message=said, code=_REASONS.get(status, UNKNOWN_ERROR), final=begun, kept=True)

"""What to do, in the imperative. The engine carries these out in order; each is harmless when repeated."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

Params = tuple[tuple[str, str], ...]


class FinishReason(StrEnum):
    """Why a session's program is over. In a screening only END_OF_DOCUMENT means: put the callee through."""

    END_OF_DOCUMENT = "end_of_document"
    HANGUP = "hangup"
    REJECTED = "rejected"
    CALLER_HUNG_UP = "caller_hung_up"
    APPLICATION_ERROR = "application_error"
    SCREENING_DECLINED = "screening_declined"


@dataclass(frozen=True, kw_only=True)
class StatusCallback:
    url: str
    method: str
    events: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class NumberTarget:
    number: str
    send_digits: str | None = None


@dataclass(frozen=True, kw_only=True)
class ClientTarget:
    identity: str
    parameters: Params = ()


@dataclass(frozen=True, kw_only=True)
class Fetch:
    """Request a document. The engine adds the standard parameters; DialCallSid when there is a `leg`."""

    fetch: str
    url: str
    method: str
    params: Params = ()
    leg: str | None = None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Answer the session's own leg; Answered reports it."""


@dataclass(frozen=True, kw_only=True)
class Reject:
    """Refuse the session's own leg unanswered."""

    reason: Literal["rejected", "busy"]


@dataclass(frozen=True, kw_only=True)
class HangUp:
    """End a dialled leg that was answered. (The own leg, "", ends by Finish.)"""

    leg: str


@dataclass(frozen=True, kw_only=True)
class CancelLeg:
    """Stop ringing a leg; one that answered in the meantime is hung up."""

    leg: str


@dataclass(frozen=True, kw_only=True)
class StartLeg:
    """Ring a target for at most `timeout` seconds. `caller_id` None: the caller's own."""

    leg: str
    noun: NumberTarget | ClientTarget
    caller_id: str | None
    timeout: int
    status_callback: StatusCallback | None


@dataclass(frozen=True, kw_only=True)
class ScreenLeg:
    """Run the whisper document on an answered leg, in a session of its own; LegScreened reports its end."""

    leg: str
    url: str
    method: str


@dataclass(frozen=True, kw_only=True)
class Bridge:
    """Join the own leg and a dialled one, audio both ways."""

    leg: str


@dataclass(frozen=True, kw_only=True)
class SetTimer:
    timer: str
    seconds: int


@dataclass(frozen=True, kw_only=True)
class CancelTimer:
    timer: str


@dataclass(frozen=True, kw_only=True)
class Warn:
    """Store a notification of level warning. `url` None: the document came inline."""

    code: int
    message: str
    line: int | None
    url: str | None


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Store a notification of level error. `url` None: the document came inline."""

    code: int
    message: str
    line: int | None
    url: str | None


@dataclass(frozen=True, kw_only=True)
class Finish:
    """The session's program is over. In a call, the engine ends the own leg if it still lives."""

    reason: FinishReason


Command = (
    Fetch
    | Answer
    | Reject
    | HangUp
    | CancelLeg
    | StartLeg
    | ScreenLeg
    | Bridge
    | SetTimer
    | CancelTimer
    | Warn
    | Fault
    | Finish
)

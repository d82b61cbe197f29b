"""What can happen to a live call, whoever reports it. `leg` "" is the parent leg; `at` is Unix seconds."""

from dataclasses import dataclass
from typing import Literal

from callrouter.calls.status import Cause, Status


@dataclass(frozen=True, kw_only=True)
class Happening:
    at: float


@dataclass(frozen=True, kw_only=True)
class Began(Happening):
    """The call is stored; its program may start."""


@dataclass(frozen=True, kw_only=True)
class DocumentArrived(Happening):
    program: str
    """the leg whose program asked: "" or a dialled leg that is being screened"""
    fetch: str
    url: str
    body: bytes
    content_type: str | None
    cookies: tuple[dict[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class DocumentMissing(Happening):
    program: str
    fetch: str
    url: str
    code: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class Up(Happening):
    """The parent leg was answered, its audio is connected."""


@dataclass(frozen=True, kw_only=True)
class Rang(Happening):
    """A dialled leg rings: at a carrier, or on these endpoints of a client."""

    leg: str
    endpoints: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Took(Happening):
    """A dialled leg was answered, by this SDP (and, for a client, on this endpoint)."""

    leg: str
    sdp: str
    endpoint: str = ""


@dataclass(frozen=True, kw_only=True)
class Declined(Happening):
    """One endpoint of a client does not want the call, or vanished while it rang; others may still ring."""

    leg: str
    endpoint: str
    vanished: bool = False


@dataclass(frozen=True, kw_only=True)
class Gone(Happening):
    """A leg ended; `far` is false when we found out ourselves and the far side must still be told."""

    leg: str
    cause: Cause
    detail: str = ""
    code: int = 0
    """an error code for a notification, when it is somebody's fault"""
    far: bool = True


@dataclass(frozen=True, kw_only=True)
class Pressed(Happening):
    leg: str
    digits: str


@dataclass(frozen=True, kw_only=True)
class Said(Happening):
    """A client sent a message in the call (the Voice SDK's `call.sendMessage`)."""

    leg: str
    content: object


@dataclass(frozen=True, kw_only=True)
class Sounded(Happening):
    """A leg's sound came to its end, or could not be played: then `code` and `reason` say why."""

    leg: str
    sound_id: str
    failed: bool = False
    code: int = 0
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Recorded(Happening):
    """A leg's recording is over and stored, or could not be (`failed`)."""

    leg: str
    sid: str
    cause: Literal["silence", "length", "stopped", "hangup", "failed"]
    seconds: int
    silent: bool


@dataclass(frozen=True, kw_only=True)
class TimerDue(Happening):
    timer: str


@dataclass(frozen=True, kw_only=True)
class EndRequested(Happening):
    """REST: `Status=completed` or `canceled` on a leg of this session."""

    leg: str
    status: Status


@dataclass(frozen=True, kw_only=True)
class Adjusted(Happening):
    """REST: another status callback (empty: none) or time limit in seconds; None leaves it."""

    leg: str
    status_callback: str | None
    status_callback_method: str | None
    time_limit: int | None


@dataclass(frozen=True, kw_only=True)
class ReplaceRequested(Happening):
    """REST: another document for a leg of this session."""

    leg: str
    url: str | None
    method: str
    twiml: str | None
    fallback_url: str | None
    fallback_method: str

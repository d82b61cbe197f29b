"""What can happen to a live call, whoever reports it. `leg` "" is the parent leg; `at` is Unix seconds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from callrouter.calls.status import Cause, Status
from instructions.commands import Record, StartStream
from instructions.events import Event


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
class Chosen(Happening):
    """This client is about to be rung for the destination that was dialled; `account` "" is the call's own."""

    leg: str
    identity: str
    account: str


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


@dataclass(frozen=True, kw_only=True)
class Heard(Happening):
    """Something about the audio of a leg: its streams, its recordings, what is said on it."""

    leg: str


@dataclass(frozen=True, kw_only=True)
class SpeechBegan(Heard):
    """The far end began to speak; `listen` is the voice node's name for what was asked."""

    listen: str


@dataclass(frozen=True, kw_only=True)
class SpeechSoFar(Heard):
    """What is understood until now; `number` counts from 0."""

    listen: str
    text: str
    number: int


@dataclass(frozen=True, kw_only=True)
class SpeechOver(Heard):
    """What was said, "" for nothing that is understood; or the recogniser failed: `code` and `reason`."""

    listen: str
    text: str = ""
    confidence: float = 0.0
    failed: bool = False
    code: int = 0
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class StreamUp(Heard):
    """The app's WebSocket takes the stream."""

    sid: str


@dataclass(frozen=True, kw_only=True)
class StreamDisturbed(Heard):
    """The app does something wrong on a stream, which goes on."""

    sid: str
    code: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class StreamOver(Heard):
    """It was stopped or closed; or it failed: `code` and `reason` say why."""

    sid: str
    failed: bool = False
    code: int = 0
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class RecordingWanted(Heard):
    """REST: record the call from now on, as this sid."""

    sid: str
    wanted: Record


@dataclass(frozen=True, kw_only=True)
class RecordingSteered(Heard):
    """REST: pause (`skip`: leave the pause out, else it is silence), go on, or end."""

    sid: str
    to: Literal["paused", "in-progress", "stopped"]
    skip: bool = False


@dataclass(frozen=True, kw_only=True)
class StreamWanted(Heard):
    """REST: stream the call from now on, as this sid."""

    sid: str
    wanted: StartStream


@dataclass(frozen=True, kw_only=True)
class StreamUnwanted(Heard):
    """REST: end this stream."""

    sid: str


@dataclass(frozen=True, kw_only=True)
class Entered(Heard):
    """A dialled application's document may run on the leg: where it is."""

    url: str
    method: str
    fallback_url: str | None
    fallback_method: str


@dataclass(frozen=True, kw_only=True)
class Told(Happening):
    """A conference or queue tells a leg that is in it. `ticket`: of the stay that it is about."""

    leg: str
    ticket: str
    event: Event | None = None
    """for the leg's program; None when only its sound changes"""
    seat: Mapping[str, Any] | None = None
    """how it is heard in a conference's mix"""
    digits: str = ""
    """keys that the other call's far end pressed"""


@dataclass(frozen=True, kw_only=True)
class Spoke(Happening):
    """A leg in a conference began or ceased to speak."""

    leg: str
    speaking: bool


@dataclass(frozen=True, kw_only=True)
class Texted(Happening):
    """A text message of the leg's program is queued; or it is not sent, for the reason in `code` and `reason`."""

    leg: str
    program: str
    message: str
    sid: str
    status: str
    code: int = 0
    reason: str = ""

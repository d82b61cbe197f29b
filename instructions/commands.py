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
    """Request a document.

    The engine adds the standard parameters; DialCallSid when there is a `leg`; RecordingUrl, RecordingSid and
    RecordingDuration when there is a `recording`.
    """

    fetch: str
    url: str
    method: str
    params: Params = ()
    leg: str | None = None
    recording: str | None = None


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
class Speech:
    """Text to read aloud; when `markup`, SSML inside `<speak>…</speak>`. `voice` None: the account's."""

    text: str
    markup: bool
    voice: str | None
    language: str


@dataclass(frozen=True, kw_only=True)
class File:
    """An audio file at an absolute URL."""

    url: str


@dataclass(frozen=True, kw_only=True)
class Keys:
    """DTMF digits with pauses w (0.5 s) and W (1 s), as tones to the own leg's far end."""

    digits: str


Sound = Speech | File | Keys


@dataclass(frozen=True, kw_only=True)
class Play:
    """Play on the own leg, after what it plays already; SoundEnded reports the end. `loop` 0: for ever."""

    sound_id: str
    sound: Sound
    loop: int


@dataclass(frozen=True, kw_only=True)
class StopSounds:
    """Whatever the own leg plays or has still to play stops, without a SoundEnded that matters."""


@dataclass(frozen=True, kw_only=True)
class RecordingCallback:
    """Who hears about a recording, and of which of in-progress, completed and absent."""

    url: str
    method: str
    events: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Record:
    """Record what the own leg's far end says; RecordingEnded reports the end.

    `silence` seconds of quiet end it (0: never), as does `max_length` seconds of recording. `beep`: a tone
    first. `trim`: silence at both ends is cut off.
    """

    recording: str
    silence: int
    max_length: int
    beep: bool
    trim: bool
    callback: RecordingCallback | None


@dataclass(frozen=True, kw_only=True)
class StopRecording:
    """End a recording; RecordingEnded still reports it."""

    recording: str


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
    | Play
    | StopSounds
    | Record
    | StopRecording
    | SetTimer
    | CancelTimer
    | Warn
    | Fault
    | Finish
)

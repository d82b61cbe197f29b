"""What to do, in the imperative. The engine carries these out in order; each is harmless when repeated."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from instructions.values import ApplicationTarget as ApplicationTarget
from instructions.values import ClientTarget as ClientTarget
from instructions.values import ConferenceCallback as ConferenceCallback
from instructions.values import File as File
from instructions.values import Keys as Keys
from instructions.values import Music as Music
from instructions.values import NumberTarget as NumberTarget
from instructions.values import Params as Params
from instructions.values import PartialCallback as PartialCallback
from instructions.values import RecordingCallback as RecordingCallback
from instructions.values import SipTarget as SipTarget
from instructions.values import Sound as Sound
from instructions.values import Speech as Speech
from instructions.values import StatusCallback as StatusCallback
from instructions.values import StreamCallback as StreamCallback


class FinishReason(StrEnum):
    """Why a session's program is over. In a screening only END_OF_DOCUMENT means: put the callee through."""

    END_OF_DOCUMENT = "end_of_document"
    HANGUP = "hangup"
    REJECTED = "rejected"
    CALLER_HUNG_UP = "caller_hung_up"
    APPLICATION_ERROR = "application_error"
    SCREENING_DECLINED = "screening_declined"
    LEFT_QUEUE = "left_queue"


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
    """Ring a target for at most `timeout` seconds. `caller_id` None: the caller's own.

    `ring_tone`: the country whose ringback the caller hears meanwhile; None: the engine's choice.
    """

    leg: str
    noun: NumberTarget | ClientTarget | SipTarget | ApplicationTarget
    caller_id: str | None
    timeout: int
    status_callback: StatusCallback | None
    ring_tone: str | None = None


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
class Play:
    """Play on the own leg, after what it plays already; SoundEnded reports the end. `loop` 0: for ever."""

    sound_id: str
    sound: Sound
    loop: int


@dataclass(frozen=True, kw_only=True)
class StopSounds:
    """Whatever the own leg plays or has still to play stops, without a SoundEnded that matters."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """Record the own leg: its `inbound` track is what the far end says, `outbound` what the far end hears.

    RecordingEnded reports the end. `silence` seconds of quiet end it (0: never), as does `max_length` seconds of
    recording. `beep`: a tone first. `trim`: silence at both ends is cut off. With both tracks, two `channels` keep
    them apart, inbound first. `source` is Twilio's RecordingSource. `transcribe_to`: who is sent the text of it.
    """

    recording: str
    silence: int
    max_length: int
    beep: bool
    trim: bool
    callback: RecordingCallback | None
    track: Literal["inbound", "outbound", "both"] = "inbound"
    channels: Literal[1, 2] = 1
    source: str = "RecordVerb"
    transcribe: bool = False
    transcribe_to: str | None = None


@dataclass(frozen=True, kw_only=True)
class StopRecording:
    """End a recording; RecordingEnded still reports it."""

    recording: str


@dataclass(frozen=True, kw_only=True)
class RunAside:
    """Run a document on the own leg while its verb goes on waiting: hold music, an announcement, a whisper.

    It is a session of its own, in `role`; AsideEnded reports its end. At most one runs at a time: StopAside first.
    `queue`: its requests carry the queue's parameters (QueuePosition, QueueTime, …).
    """

    aside: str
    url: str
    method: str
    role: Literal["queued", "conference", "dequeued"]
    params: Params = ()
    queue: bool = False


@dataclass(frozen=True, kw_only=True)
class StopAside:
    """End the aside, if one runs, and what it plays; no AsideEnded follows."""


@dataclass(frozen=True, kw_only=True)
class JoinConference:
    """Bring the own leg into the account's conference of that name; ConferenceJoined or ConferenceLeft follows.

    `beep` is true, false, onEnter or onExit; `coach` the call that alone hears this one. `record` and the callbacks
    count for whoever comes first.
    """

    name: str
    muted: bool
    beep: str
    start_on_enter: bool
    end_on_exit: bool
    max_participants: int
    coach: str | None
    label: str | None
    record: bool
    trim: bool
    callback: ConferenceCallback | None
    recording_callback: RecordingCallback | None


@dataclass(frozen=True, kw_only=True)
class LeaveConference:
    """Take the own leg out of its conference; nothing follows."""


@dataclass(frozen=True, kw_only=True)
class JoinQueue:
    """Put the own leg at the end of a queue, which is made if there is none; QueueJoined or QueueRefused follows."""

    queue: str
    max_size: int | None


@dataclass(frozen=True, kw_only=True)
class LeaveQueue:
    """Take the own leg out of its queue, or from the agent it is connected to; nothing follows."""


@dataclass(frozen=True, kw_only=True)
class ConnectQueued:
    """The queued caller has heard the agent's document: connect them. QueueBridged follows on both legs."""


@dataclass(frozen=True, kw_only=True)
class TakeFromQueue:
    """Wait for the caller at the front of a queue. QueueBridged, or QueueMissing, follows.

    `url`: a document for the queued caller before that.
    """

    queue: str
    url: str | None
    method: str


@dataclass(frozen=True, kw_only=True)
class StopTaking:
    """Wait for nobody any more; whoever was taken goes on with their own call."""


@dataclass(frozen=True, kw_only=True)
class StartStream:
    """Send the own leg's audio to a WebSocket; `bidirectional`: what comes back is played. StreamEnded follows.

    `name` is what REST and <Stop> call it.
    """

    stream: str
    url: str
    name: str | None
    track: Literal["inbound", "outbound", "both"]
    bidirectional: bool
    parameters: Params
    callback: StreamCallback | None


@dataclass(frozen=True, kw_only=True)
class StopStream:
    """End a stream by what it was started as, or by its `name`; nothing happens if there is none."""

    stream: str | None = None
    name: str | None = None


@dataclass(frozen=True, kw_only=True)
class Listen:
    """Recognise what the own leg's far end says. SpeechStarted comes with the first word, SpeechHeard at its end.

    `silence` seconds without speech after some end it, and so do `longest` seconds of speech. Before the first word
    it waits for ever.
    """

    listen: str
    language: str
    hints: tuple[str, ...]
    silence: float
    longest: int
    partial: PartialCallback | None


@dataclass(frozen=True, kw_only=True)
class StopListening:
    """Recognise no more; no SpeechHeard that matters follows."""

    listen: str


@dataclass(frozen=True, kw_only=True)
class Echo:
    """Send the own leg's audio back to it, until StopEcho."""


@dataclass(frozen=True, kw_only=True)
class StopEcho:
    """No echo any more."""


@dataclass(frozen=True, kw_only=True)
class SetTimer:
    timer: str
    seconds: int


@dataclass(frozen=True, kw_only=True)
class CancelTimer:
    timer: str


@dataclass(frozen=True, kw_only=True)
class SendMessage:
    """Send a text message; MessageSent reports that it is queued. `to` None: the far end of the own leg; `from_` None:
    our number in the call."""

    message: str
    to: str | None
    from_: str | None
    body: str
    status_callback: str | None


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
    | RunAside
    | StopAside
    | JoinConference
    | LeaveConference
    | JoinQueue
    | LeaveQueue
    | ConnectQueued
    | TakeFromQueue
    | StopTaking
    | StartStream
    | StopStream
    | Listen
    | StopListening
    | Echo
    | StopEcho
    | SetTimer
    | CancelTimer
    | SendMessage
    | Warn
    | Fault
    | Finish
)

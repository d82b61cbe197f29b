"""What happened, in the past tense. `at` is unix seconds; durations are differences of it: no clock is needed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from instructions.commands import FinishReason

_LATEST = 1e11
"""An `at` beyond this (the year 5138) is no time; a bound makes every difference a number."""


class LegStatus(StrEnum):
    """How a dialled leg ended: Twilio's terminal CallStatus values."""

    COMPLETED = "completed"
    BUSY = "busy"
    NO_ANSWER = "no-answer"
    FAILED = "failed"
    CANCELED = "canceled"


@dataclass(frozen=True, kw_only=True)
class Event:
    at: float

    def __post_init__(self) -> None:
        if not 0 <= self.at <= _LATEST:
            raise ValueError(f"at={self.at!r} is no unix time")


@dataclass(frozen=True, kw_only=True)
class Started(Event):
    """The session begins: the first event."""


@dataclass(frozen=True, kw_only=True)
class DocumentFetched(Event):
    """The answer to a Fetch: a 2xx body. `url` is the final one, the base of relative URLs."""

    fetch: str
    url: str
    body: bytes
    content_type: str | None


@dataclass(frozen=True, kw_only=True)
class DocumentFailed(Event):
    """A Fetch failed for good; `code` is one of the 11xxx."""

    fetch: str
    url: str
    code: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class Answered(Event):
    """The session's own leg is up, with audio."""


@dataclass(frozen=True, kw_only=True)
class DigitsReceived(Event):
    """Keys were pressed; leg "" is the session's own."""

    leg: str
    digits: str


@dataclass(frozen=True, kw_only=True)
class LegRinging(Event):
    leg: str


@dataclass(frozen=True, kw_only=True)
class LegAnswered(Event):
    leg: str


@dataclass(frozen=True, kw_only=True)
class LegEnded(Event):
    leg: str
    status: LegStatus


@dataclass(frozen=True, kw_only=True)
class LegScreened(Event):
    """The leg's whisper session is over: the callee takes the call, or does not."""

    leg: str
    accepted: bool


@dataclass(frozen=True, kw_only=True)
class SoundEnded(Event):
    """A sound was played to its end, or could not be: then `code` and `reason` say why (the application's fault)."""

    sound_id: str
    failed: bool = False
    code: int = 0
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class RecordingEnded(Event):
    """A recording is over and stored, or could not be (`failed`). `seconds` are whole; `silent`: nobody spoke."""

    recording: str
    cause: Literal["silence", "length", "stopped", "hangup", "failed"]
    seconds: int
    silent: bool


@dataclass(frozen=True, kw_only=True)
class AsideEnded(Event):
    """An aside's program is over: `reason` is its FinishReason."""

    aside: str
    reason: FinishReason


@dataclass(frozen=True, kw_only=True)
class ConferenceJoined(Event):
    """The own leg is in; `started` False: it waits for the conference to start."""

    conference_sid: str
    started: bool


@dataclass(frozen=True, kw_only=True)
class ConferenceStarted(Event):
    """The conference that the own leg waits in has started."""


@dataclass(frozen=True, kw_only=True)
class ConferenceHeld(Event):
    """REST put the participant on hold, with a document to hear meanwhile or (None) the hold music."""

    url: str | None
    method: str


@dataclass(frozen=True, kw_only=True)
class ConferenceResumed(Event):
    """REST took the participant back from hold."""


@dataclass(frozen=True, kw_only=True)
class ConferenceAnnounced(Event):
    """REST wants the participant to hear a document."""

    url: str
    method: str


@dataclass(frozen=True, kw_only=True)
class ConferenceLeft(Event):
    """The own leg is out, or was never let in: `code` and `reason` say why when that is somebody's fault."""

    why: Literal["ended", "kicked", "full", "failed"]
    code: int = 0
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class QueueJoined(Event):
    queue_sid: str


@dataclass(frozen=True, kw_only=True)
class QueueRefused(Event):
    """The queue is full: `queue_sid` names it; or could not be joined: it is None, and the fault is ours."""

    queue_sid: str | None


@dataclass(frozen=True, kw_only=True)
class QueueTaken(Event):
    """An agent takes this queued caller, who hears a document first when there is a `url` (absolute)."""

    url: str | None
    method: str
    by: str
    """the agent's call: DequeingCallSid"""


@dataclass(frozen=True, kw_only=True)
class QueueFound(Event):
    """This agent's caller is found, and hears the agent's document first; QueueBridged or QueueParted follows."""


@dataclass(frozen=True, kw_only=True)
class QueueBridged(Event):
    """The queued caller and the agent hear each other; `call_sid` is the other one's."""

    call_sid: str


@dataclass(frozen=True, kw_only=True)
class QueueParted(Event):
    """The other one is gone, before (then this one still waits) or after they were connected."""


@dataclass(frozen=True, kw_only=True)
class QueueMissing(Event):
    """There is no queue of that name."""


@dataclass(frozen=True, kw_only=True)
class StreamEnded(Event):
    """A stream is over; `failed`: it could not be opened or broke, and `code` and `reason` say why."""

    stream: str
    failed: bool = False
    code: int = 0
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class SpeechStarted(Event):
    """The far end began to say something."""

    listen: str


@dataclass(frozen=True, kw_only=True)
class SpeechHeard(Event):
    """What was said, "" for nothing that could be understood; or the recogniser `failed`: `code`, `reason`."""

    listen: str
    text: str
    confidence: float = 0.0
    failed: bool = False
    code: int = 0
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class MessageSent(Event):
    """A text message is queued, or it `failed`: then it has no `sid`."""

    message: str
    sid: str
    status: str


@dataclass(frozen=True, kw_only=True)
class TimerFired(Event):
    timer: str


@dataclass(frozen=True, kw_only=True)
class HungUp(Event):
    """The session's own leg is over: caller hung up, carrier lost, or REST completed it."""


@dataclass(frozen=True, kw_only=True)
class Replaced(Event):
    """A REST update of the live call: run this URL or this inline document instead.

    `fallback_url` None keeps the fallback that the session has.
    """

    url: str | None
    method: str
    twiml: str | None
    fallback_url: str | None = None
    fallback_method: str = "POST"

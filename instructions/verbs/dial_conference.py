"""<Dial><Conference>: the caller is in a conference until one of them ends it.

Until it starts they hear `waitUrl`; on hold, what REST gave for that; and announcements before either. An
announcement that cannot be run is left out; instead of another document that cannot, the hold music plays.
The Dial's `timeLimit` bounds all of it, and its `hangupOnStar` lets the caller leave.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from instructions.commands import (
    CancelTimer,
    Command,
    ConferenceCallback,
    Fault,
    FinishReason,
    JoinConference,
    LeaveConference,
    Music,
    SetTimer,
    Warn,
)
from instructions.elements import idle_attributes, unresolved
from instructions.events import (
    AsideEnded,
    ConferenceAnnounced,
    ConferenceHeld,
    ConferenceJoined,
    ConferenceLeft,
    ConferenceResumed,
    ConferenceStarted,
    DigitsReceived,
    Event,
    HungUp,
    TimerFired,
)
from instructions.outcomes import Call, Memory, Outcome, Wait
from instructions.verbs.dial_nouns import Conference
from instructions.verbs.interlude import Interlude, Page, Source
from instructions.verbs.recorded import recording_callback

if TYPE_CHECKING:
    from instructions.verbs.dial import Dial

_FULL = 16020
_OURS = 12400


@dataclass(frozen=True, kw_only=True)
class ConferenceMemory(Memory):
    limit: str
    """The timer of the Dial's timeLimit."""
    heard: Interlude = Interlude()
    joined: bool = False
    started: bool = False
    held: bool = False
    hold: Source = None
    announcement: Page | None = None
    broken: bool = False
    """The document to wait or be held with could not be run."""

    def status(self) -> str:
        """DialCallStatus, when this side leaves."""
        return "answered" if self.joined else "canceled"

    def quiet(self) -> tuple[Command, ...]:
        return (*self.heard.stop(), CancelTimer(timer=self.limit))

    def leave(self) -> tuple[Command, ...]:
        return (*self.quiet(), LeaveConference())


def begin(dial: Dial, noun: Conference, call: Call) -> Outcome:
    notices: list[Command] = list(idle_attributes(noun, call))
    if not noun.text:
        if noun.text == "":
            message = "<Conference> has no name, so it cannot be joined"
            notices.append(Warn(code=13237, message=message, line=noun.line, url=call.url))
        return _over(dial, "failed", tuple(notices))
    if noun.wait_url and call.resolve(noun.wait_url) is None:
        notices.append(unresolved(noun, "waitUrl", noun.wait_url, call))
    join = JoinConference(
        name=noun.text,
        muted=noun.muted,
        beep=noun.beep,
        start_on_enter=noun.start_conference_on_enter,
        end_on_exit=noun.end_conference_on_exit,
        max_participants=noun.max_participants,
        coach=noun.coach,
        label=noun.participant_label,
        record=noun.record in ("record-from-start", "true"),
        trim=noun.trim == "trim-silence",
        callback=_callback(noun, call, notices),
        recording_callback=recording_callback(noun, call, notices),
    )
    limit = SetTimer(timer=f"talk-{call.place}", seconds=dial.time_limit)
    return Wait(memory=ConferenceMemory(limit=limit.timer), commands=(*notices, join, limit))


def _callback(noun: Conference, call: Call, notices: list[Command]) -> ConferenceCallback | None:
    """Who is told of the conference; `notices` receives why nobody can be."""
    reference = noun.status_callback
    if not reference:
        return None
    url = call.resolve(reference)
    if url is None:
        notices.append(unresolved(noun, "statusCallback", reference, call))
        return None
    return ConferenceCallback(url=url, method=noun.status_callback_method, events=noun.status_callback_event)


def resume(
    dial: Dial, noun: Conference, call: Call, memory: ConferenceMemory, event: Event
) -> Outcome | None:
    match event:
        case ConferenceLeft(why=why) if why in ("ended", "kicked"):
            return _over(dial, "answered", memory.quiet())
        case ConferenceLeft():
            return _over(dial, "failed", (*memory.quiet(), _refusal(noun, call, event)))
        case HungUp():
            return _over(dial, memory.status(), memory.leave())
        case DigitsReceived(leg="", digits=digits) if dial.hangup_on_star and "*" in digits:
            return _over(dial, memory.status(), memory.leave())
        case TimerFired(timer=fired) if fired == memory.limit:
            return _over(dial, memory.status(), (*memory.heard.stop(), LeaveConference()))
    if changed := _changed(memory, event):
        return _hear(noun, call, memory, changed, anew=isinstance(event, ConferenceAnnounced))
    if heard := memory.heard.resume(call, event, _source(noun, call, memory)):
        return Wait(memory=replace(memory, heard=heard[0]), commands=heard[1])
    return None


def _changed(memory: ConferenceMemory, event: Event) -> ConferenceMemory | None:
    """The memory after an event that may change what is heard."""
    match event:
        case ConferenceJoined(started=started):
            # What another participant caused may have been told before this.
            return replace(memory, joined=True, started=memory.started or started)
        case ConferenceStarted():
            return replace(memory, started=True)
        case ConferenceHeld(url=url, method=method):
            page = Page(url=url, method=method, role="conference") if url else None
            return replace(memory, held=True, hold=Music() if url is None else page, broken=False)
        case ConferenceResumed():
            return replace(memory, held=False, hold=None, broken=False)
        case ConferenceAnnounced(url=url, method=method):
            return replace(memory, announcement=Page(url=url, method=method, role="conference"))
        case AsideEnded(aside=ended, reason=reason) if ended == memory.heard.aside:
            if memory.announcement:
                return replace(memory, announcement=None, heard=memory.heard.over())
            if reason is FinishReason.APPLICATION_ERROR:
                return replace(memory, broken=True, heard=memory.heard.over())
    return None


def _hear(
    noun: Conference, call: Call, before: ConferenceMemory, memory: ConferenceMemory, *, anew: bool
) -> Outcome:
    """Change what is heard if it has to change; `anew`: begin it even if it is the same."""
    source = _source(noun, call, memory)
    if not anew and source == _source(noun, call, before) and memory.heard == before.heard:
        return Wait(memory=memory)
    heard, commands = memory.heard.change(call, source)
    return Wait(memory=replace(memory, heard=heard), commands=commands)


def _source(noun: Conference, call: Call, memory: ConferenceMemory) -> Source:
    """What the own leg is to hear instead of the conference."""
    if not memory.joined:
        return None
    if memory.announcement:
        return memory.announcement
    if memory.held:
        return Music() if memory.broken else memory.hold
    if memory.started or noun.wait_url == "":
        return None
    url = call.resolve(noun.wait_url) if noun.wait_url else None
    if url is None or memory.broken:
        return Music()
    return Page(url=url, method=noun.wait_method, role="conference")


def _refusal(noun: Conference, call: Call, event: ConferenceLeft) -> Fault:
    code = event.code or (_FULL if event.why == "full" else _OURS)
    reason = event.reason or ("it is full" if event.why == "full" else "this is our fault")
    message = f"the conference {noun.text!r} could not be joined: {reason}"
    return Fault(code=code, message=message, line=noun.line, url=call.url)


def _over(dial: Dial, status: str, commands: tuple[Command, ...]) -> Outcome:
    return dial.over((("DialCallStatus", status),), commands)

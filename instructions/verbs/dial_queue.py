"""<Dial><Queue>: the caller is an agent, who waits for whoever is at the front of a queue.

The Dial's `timeout` bounds the wait for somebody, its `timeLimit` the talk. An agent who is put through has dialled
nobody: DialCallStatus is `answered`, and DialCallSid the queued caller's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from instructions.attributes import METHOD, URL, attribute, sid, text
from instructions.commands import (
    CancelTimer,
    Command,
    Fault,
    SetTimer,
    StopRecording,
    StopTaking,
    TakeFromQueue,
)
from instructions.elements import Noun, idle_attributes, unresolved
from instructions.events import (
    DigitsReceived,
    Event,
    HungUp,
    QueueBridged,
    QueueFound,
    QueueMissing,
    QueueParted,
    TimerFired,
)
from instructions.outcomes import Call, Memory, Outcome, Wait
from instructions.verbs import dial_recording

if TYPE_CHECKING:
    from instructions.verbs.dial import Dial


@dataclass(frozen=True, kw_only=True)
class TakingMemory(Memory):
    timer: str | None
    """How long to wait; once put through, how long to talk; None while somebody hears this agent's document."""
    lost: int = 0
    """How many who were found are gone again."""
    other: str | None = None
    """The queued caller's call, once put through."""
    bridged_at: float = 0.0
    recording: str | None = None

    def leave(self) -> tuple[Command, ...]:
        return (*self.stop_timer(), StopTaking(), *self.stop_recording())

    def stop_timer(self) -> tuple[Command, ...]:
        return (CancelTimer(timer=self.timer),) if self.timer else ()

    def stop_recording(self) -> tuple[Command, ...]:
        return (StopRecording(recording=self.recording),) if self.recording else ()


class QueueNoun(Noun, tag="Queue", content=text(64), content_code=14213):
    """Inside Dial: connects to the caller at the front of the queue."""

    url: str | None = attribute(URL, default=None, code=14211)
    method: str = attribute(METHOD, default="POST", code=14210)
    reservation_sid: str | None = attribute(sid("WR"), default=None, code=14215, acts=False)
    post_work_activity_sid: str | None = attribute(sid("WA"), default=None, acts=False)


def begin(dial: Dial, noun: QueueNoun, call: Call) -> Outcome:
    notices: list[Command] = list(idle_attributes(noun, call))
    if not noun.text:
        if noun.text == "":
            message = "<Queue> names no queue, so nobody can be taken from it"
            notices.append(Fault(code=14212, message=message, line=noun.line, url=call.url))
        return _over(dial, "failed", tuple(notices))
    url = call.resolve(noun.url) if noun.url else None
    if noun.url and url is None:
        notices.append(unresolved(noun, "url", noun.url, call))
    timer = f"take-{call.place}"
    return Wait(
        memory=TakingMemory(timer=timer),
        commands=(
            *notices,
            TakeFromQueue(queue=noun.text, url=url, method=noun.method),
            SetTimer(timer=timer, seconds=dial.timeout),
        ),
    )


def resume(dial: Dial, noun: QueueNoun, call: Call, memory: TakingMemory, event: Event) -> Outcome | None:
    match event:
        case QueueBridged(call_sid=other) if memory.other is None:
            return _talk(dial, call, memory, other)
        case QueueFound() if memory.timer and memory.other is None:
            return Wait(memory=replace(memory, timer=None), commands=memory.stop_timer())
        case QueueParted() if memory.timer is None:
            again = SetTimer(timer=f"take-{call.place}-{memory.lost + 1}", seconds=dial.timeout)
            waits = replace(memory, timer=again.timer, lost=memory.lost + 1)
            return Wait(memory=waits, commands=(again,))
        case QueueMissing() if memory.other is None:
            message = f"there is no queue {noun.text!r}"
            fault = Fault(code=20404, message=message, line=noun.line, url=call.url)
            return _over(dial, "failed", (*memory.stop_timer(), fault))
        case QueueParted() if memory.other is not None:
            return _end(dial, call, memory, "", (*memory.stop_timer(), *memory.stop_recording()))
        case TimerFired(timer=fired) if fired == memory.timer:
            return _end(dial, call, memory, "no-answer", (StopTaking(), *memory.stop_recording()))
        case DigitsReceived(leg="", digits=digits) if dial.hangup_on_star and "*" in digits:
            return _end(dial, call, memory, "canceled", memory.leave())
        case HungUp():
            return _end(dial, call, memory, "canceled", memory.leave())
    return None


def _talk(dial: Dial, call: Call, memory: TakingMemory, other: str) -> Outcome:
    notices: list[Command] = []
    record = dial_recording.wanted(dial, call, notices)
    talk = SetTimer(timer=f"talk-{call.place}", seconds=dial.time_limit)
    bridged = replace(
        memory,
        timer=talk.timer,
        other=other,
        bridged_at=call.at,
        recording=record.recording if record else None,
    )
    recorded = (*notices, record) if record else ()
    return Wait(memory=bridged, commands=(*memory.stop_timer(), talk, *recorded))


def _end(
    dial: Dial, call: Call, memory: TakingMemory, otherwise: str, commands: tuple[Command, ...]
) -> Outcome:
    """`otherwise`: the status of a Dial that put nobody through."""
    if memory.other is None:
        return _over(dial, otherwise, commands)
    params = (
        ("DialCallStatus", "answered"),
        ("DialCallSid", memory.other),
        ("DialCallDuration", str(max(0, int(call.at - memory.bridged_at)))),
        ("DialBridged", "true"),
    )
    return dial.over(params, commands, recording=memory.recording)


def _over(dial: Dial, status: str, commands: tuple[Command, ...]) -> Outcome:
    return dial.over((("DialCallStatus", status), ("DialBridged", "false")), commands)

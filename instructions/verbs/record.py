from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from instructions import commands
from instructions.attributes import (
    FLAG,
    KEYS,
    METHOD,
    THIS_DOCUMENT,
    URL,
    attribute,
    choice,
    seconds,
    text,
    words,
)
from instructions.commands import Command, Fault, FinishReason, StopRecording
from instructions.elements import Problem, Verb, idle_attributes, unresolved
from instructions.events import DigitsReceived, Event, HungUp, RecordingEnded
from instructions.outcomes import Call, Goto, Memory, Next, Outcome, Stop, Wait
from instructions.verbs.recorded import LONGEST, recording_callback

SHORTEST = 1
"""Seconds: less is no recording, and `action` is not requested."""
LONGEST_TRANSCRIBED = 120
"""Seconds: Twilio's limit."""
USUAL = 3600
"""Seconds of a recording whose `maxLength` nobody wrote."""


@dataclass(frozen=True, kw_only=True)
class RecordMemory(Memory):
    recording: str
    key: str = ""
    """The key that ended it."""

    def leave(self) -> tuple[Command, ...]:
        return (StopRecording(recording=self.recording),)


class Record(Verb):
    """Records the caller until silence, a key, the longest length, or the end of the call.

    Then `action` is asked what to do next, also after a hang-up; a silent recording leads to the next verb.
    `transcribeCallback` is sent the text of it, and implies `transcribe`; of at most two minutes.
    """

    action: str = attribute(URL, default=THIS_DOCUMENT, code=11100)
    method: str = attribute(METHOD, default="POST", code=13610)
    timeout: int = attribute(seconds(0), default=5, code=13611)
    finish_on_key: str = attribute(KEYS, default="1234567890*#", code=13613)
    max_length: int = attribute(seconds(1, LONGEST), default=USUAL, code=13612)
    play_beep: bool = attribute(FLAG, default=True, code=13616)
    trim: str = attribute(choice("trim-silence", "do-not-trim"), default="trim-silence", code=13699)
    recording_status_callback: str | None = attribute(URL, default=None, code=13256)
    recording_status_callback_method: str = attribute(METHOD, default="POST")
    recording_status_callback_event: tuple[str, ...] = attribute(
        words("in-progress", "completed", "absent"), default=("completed",), code=13621
    )
    transcribe: bool = attribute(FLAG, default=False, code=13614)
    transcribe_callback: str | None = attribute(URL, default=None, code=13257)
    recording_configuration_id: str | None = attribute(text(64), default=None, acts=False)

    def check(self) -> Iterator[Problem]:
        if self._transcribes() and LONGEST_TRANSCRIBED < self.max_length != USUAL:
            message = f"<Record maxLength>: what is longer than {LONGEST_TRANSCRIBED} s is not transcribed"
            yield Problem(code=13615, message=message, line=self.line)

    def begin(self, call: Call) -> Outcome:
        notices: list[Command] = list(idle_attributes(self, call))
        record = commands.Record(
            recording=f"recording-{call.place}",
            silence=self.timeout,
            max_length=self.max_length,
            beep=self.play_beep,
            trim=self.trim == "trim-silence",
            callback=recording_callback(self, call, notices),
            transcribe=self._transcribes(),
            transcribe_to=self._transcribe_to(call, notices),
        )
        return Wait(memory=RecordMemory(recording=record.recording), commands=(*notices, record))

    def resume(self, call: Call, memory: Memory, event: Event) -> Outcome | None:
        if not isinstance(memory, RecordMemory):
            return None
        match event:
            case DigitsReceived(leg="", digits=pressed) if not memory.key:
                if key := next((key for key in pressed if key in self.finish_on_key), ""):
                    return Wait(memory=replace(memory, key=key), commands=memory.leave())
            case RecordingEnded(recording=ended) if ended == memory.recording:
                return self._end(call, memory, event)
            case HungUp():
                return self._report(memory, "hangup")
        return None

    def _end(self, call: Call, memory: RecordMemory, event: RecordingEnded) -> Outcome:
        if event.cause == "failed":
            message = "the recording could not be stored: this is our fault, not the application's"
            return Next(commands=(Fault(code=12400, message=message, line=self.line, url=call.url),))
        hung_up = event.cause == "hangup"
        if not event.silent and event.seconds >= SHORTEST:
            return self._report(memory, "hangup" if hung_up else "")
        return Stop(reason=FinishReason.CALLER_HUNG_UP) if hung_up else Next()

    def _report(self, memory: RecordMemory, otherwise: str) -> Goto:
        """Ask `action`, with the key that ended the recording, or `otherwise`."""
        return Goto(
            url=self.action,
            method=self.method,
            params=(("Digits", memory.key or otherwise),),
            recording=memory.recording,
        )

    def _transcribes(self) -> bool:
        return self.transcribe or bool(self.transcribe_callback)

    def _transcribe_to(self, call: Call, notices: list[Command]) -> str | None:
        if not self.transcribe_callback:
            return None
        url = call.resolve(self.transcribe_callback)
        if url is None:
            notices.append(unresolved(self, "transcribeCallback", self.transcribe_callback, call))
        return url

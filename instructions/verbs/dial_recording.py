"""The recording of a <Dial>: of what the caller says and hears, from the ringing or the answer to the Dial's end."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from instructions.commands import Command, Fault, Record
from instructions.events import Event, RecordingEnded
from instructions.outcomes import Call
from instructions.verbs.dialling import DialMemory, Step
from instructions.verbs.recorded import LONGEST, recording_callback

if TYPE_CHECKING:
    from instructions.verbs.dial import Dial


def attend(dial: Dial, call: Call, step: Step, notices: list[Command]) -> Step:
    """The same step, and the recording begun or ended with it; `notices` receives what is wrong with it."""
    memory, commands = step
    record = wanted(dial, call, notices)
    if memory.finished:
        return memory, (*commands, *memory.stop_recording())
    bridged = memory.bridged_at is not None
    due = bridged or (call.answered and dial.record.startswith("record-from-ringing"))
    if record is None or not due or memory.recording is not None:
        return step
    return replace(memory, recording=record.recording), (*commands, record)


def lost(dial: Dial, call: Call, memory: DialMemory, event: Event) -> Step | None:
    """What follows when the recording could not be stored; None when that is not what happened."""
    if not isinstance(event, RecordingEnded) or event.recording != memory.recording:
        return None
    if event.cause != "failed":
        return None
    message = "the recording could not be stored: this is our fault, not the application's"
    fault = Fault(code=12400, message=message, line=dial.line, url=call.url)
    return replace(memory, recording=""), (fault,)


def wanted(dial: Dial, call: Call, notices: list[Command]) -> Record | None:
    """The recording that the Dial's attributes ask for."""
    if dial.record in ("do-not-record", "false"):
        return None
    dual = dial.record.endswith("-dual") and dial.recording_track == "both"
    return Record(
        recording=f"recording-{call.place}",
        silence=0,
        max_length=LONGEST,
        beep=False,
        trim=dial.trim == "trim-silence",
        callback=recording_callback(dial, call, notices),
        track=dial.recording_track,
        channels=2 if dual else 1,
        source="DialVerb",
    )

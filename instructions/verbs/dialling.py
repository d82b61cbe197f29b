"""Runs the table of a Dial: reads an event as a cue, looks the transition up, takes its steps."""

from __future__ import annotations

from dataclasses import dataclass, replace

from instructions.commands import (
    Answer,
    Bridge,
    CancelLeg,
    CancelTimer,
    Command,
    HangUp,
    ScreenLeg,
    SetTimer,
    StartLeg,
    StopRecording,
)
from instructions.events import (
    DigitsReceived,
    Event,
    HungUp,
    LegAnswered,
    LegEnded,
    LegScreened,
    LegStatus,
    TimerFired,
)
from instructions.outcomes import Memory
from instructions.verbs.dial_table import TABLE, Cue, Phase

INFORMATIVE = (LegStatus.NO_ANSWER, LegStatus.BUSY, LegStatus.FAILED, LegStatus.CANCELED)
"""Which leg's end is the Dial's when none was put through: the first of these that occurs. One phone that
rang out outweighs a busy one, so `busy` means that all were (PR-55).
"""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a Dial can really ring, in order, with the whisper document of each or None."""

    place: str
    starts: tuple[StartLeg, ...]
    whispers: tuple[tuple[str, str] | None, ...]
    sequential: bool
    hangup_on_star: bool
    time_limit: int


@dataclass(frozen=True, kw_only=True)
class Leg:
    """A leg that was started; `status` None while it lives."""

    name: str
    status: LegStatus | None = None


@dataclass(frozen=True, kw_only=True)
class DialMemory(Memory):
    phase: Phase = Phase.FINISHED
    legs: tuple[Leg, ...] = ()
    answered: str | None = None
    bridged_at: float | None = None
    abandoned: bool = False
    """The caller gave up before anyone was put through."""
    timer: str | None = None
    recording: str | None = None
    """Set once it began; "" when it could not be stored."""

    @property
    def finished(self) -> bool:
        return self.phase is Phase.FINISHED

    def leave(self) -> tuple[Command, ...]:
        ends = [
            HangUp(leg=leg.name) if leg.name == self.answered else CancelLeg(leg=leg.name)
            for leg in self.legs
            if leg.status is None
        ]
        timers = [CancelTimer(timer=self.timer)] if self.timer else ()
        return (*timers, *ends, *self.stop_recording())

    def stop_recording(self) -> tuple[Command, ...]:
        return (StopRecording(recording=self.recording),) if self.recording else ()

    def result(self) -> tuple[str | None, LegStatus]:
        """DialCallSid's leg and DialCallStatus."""
        if self.bridged_at is not None:
            return self.answered, LegStatus.COMPLETED
        for status in (LegStatus.CANCELED,) if self.abandoned else INFORMATIVE:
            if names := [leg.name for leg in self.legs if leg.status is status]:
                return (self.answered if self.answered in names else names[-1]), status
        return None, LegStatus.FAILED


Step = tuple[DialMemory, tuple[Command, ...]]


def begin(plan: Plan) -> Step:
    """Ring the first noun, or all of them."""
    stage = _Stage(plan, DialMemory(phase=Phase.RINGING), at=0.0, caller_answered=True)
    stage.ring_next()
    return stage.memory, tuple(stage.commands)


def advance(plan: Plan, memory: DialMemory, event: Event, *, answered: bool) -> Step | None:
    """What follows from `event`; None when it means nothing here. `answered`: the caller's own leg."""
    cue, leg = _cue(plan, memory, event)
    transition = TABLE.get((memory.phase, cue)) if cue else None
    if cue is None or transition is None:
        return None
    phase, steps = transition
    stage = _Stage(plan, memory, at=event.at, caller_answered=answered)
    if leg is not None:
        stage.note(leg, event, cue)
    if cue in (Cue.STAR, Cue.CALLER_HUNG_UP) and memory.phase is not Phase.BRIDGED:
        stage.memory = replace(stage.memory, abandoned=True)
    for step in steps:
        getattr(stage, step)()
    return replace(stage.memory, phase=phase), tuple(stage.commands)


def _cue(plan: Plan, memory: DialMemory, event: Event) -> tuple[Cue | None, str | None]:
    """What `event` means to the table, and the leg it is about."""
    live = [leg.name for leg in memory.legs if leg.status is None]
    next_waits = memory.phase is not Phase.BRIDGED and len(memory.legs) < len(plan.starts)
    match event:
        case LegAnswered(leg=leg) if leg in live:
            index = [known.name for known in memory.legs].index(leg)
            return (Cue.LEG_ANSWERED_TO_WHISPER if plan.whispers[index] else Cue.LEG_ANSWERED), leg
        case LegEnded(leg=leg) if leg in live:
            if len(live) > 1:
                return Cue.LEG_ENDED_OTHERS_RING, leg
            return (Cue.LEG_ENDED_NEXT_WAITS if next_waits else Cue.LAST_LEG_ENDED), leg
        case LegScreened(leg=leg, accepted=accepted) if leg == memory.answered:
            if accepted:
                return Cue.CALLEE_ACCEPTED, leg
            return (Cue.CALLEE_DECLINED_NEXT_WAITS if next_waits else Cue.CALLEE_DECLINED), leg
        case TimerFired(timer=timer) if timer == memory.timer:
            return (Cue.TIME_UP_NEXT_WAITS if next_waits else Cue.TIME_UP), None
        case DigitsReceived(leg="", digits=digits) if plan.hangup_on_star and "*" in digits:
            return Cue.STAR, None
        case HungUp():
            return Cue.CALLER_HUNG_UP, None
    return None, None


class _Stage:
    """One transition while it is taken: the memory so far and the commands so far. A method per Do."""

    def __init__(self, plan: Plan, memory: DialMemory, *, at: float, caller_answered: bool) -> None:
        self.plan = plan
        self.memory = memory
        self.at = at
        self.caller_answered = caller_answered
        self.commands: list[Command] = []

    def note(self, leg: str, event: Event, cue: Cue) -> None:
        """Record what the event says about its leg."""
        if cue in (Cue.LEG_ANSWERED, Cue.LEG_ANSWERED_TO_WHISPER):
            self.memory = replace(self.memory, answered=leg)
        elif isinstance(event, LegEnded):
            self._end(leg, event.status)

    def stop_timer(self) -> None:
        if self.memory.timer:
            self.commands.append(CancelTimer(timer=self.memory.timer))
        self.memory = replace(self.memory, timer=None)

    def cancel_others(self) -> None:
        self._cancel(LegStatus.CANCELED)

    def cancel_ringing(self) -> None:
        self._cancel(LegStatus.CANCELED if self.memory.abandoned else LegStatus.NO_ANSWER)

    def hang_up_answered(self) -> None:
        leg = self.memory.answered or ""
        self.commands.append(HangUp(leg=leg))
        self._end(leg, LegStatus.CANCELED if self.memory.abandoned else LegStatus.NO_ANSWER)

    def screen(self) -> None:
        index = [leg.name for leg in self.memory.legs].index(self.memory.answered or "")
        url, method = self.plan.whispers[index] or ("", "")
        self.commands.append(ScreenLeg(leg=self.memory.legs[index].name, url=url, method=method))
        # A whisper that never ends must not hold the caller: it may take as long as the talk might.
        self._set_timer(f"whisper-{self.plan.place}-{index}", self.plan.time_limit)

    def bridge(self) -> None:
        if not self.caller_answered:
            self.commands.append(Answer())
        self.commands.append(Bridge(leg=self.memory.answered or ""))
        self.memory = replace(self.memory, bridged_at=self.at)
        self._set_timer(f"talk-{self.plan.place}", self.plan.time_limit)

    def ring_next(self) -> None:
        done = len(self.memory.legs)
        starts = self.plan.starts[done : done + 1] if self.plan.sequential else self.plan.starts[done:]
        self.commands.extend(starts)
        legs = (*self.memory.legs, *(Leg(name=start.leg) for start in starts))
        self.memory = replace(self.memory, legs=legs, answered=None)
        self._set_timer(f"ring-{self.plan.place}-{done}", starts[0].timeout)

    def _set_timer(self, timer: str, seconds: int) -> None:
        self.commands.append(SetTimer(timer=timer, seconds=seconds))
        self.memory = replace(self.memory, timer=timer)

    def _cancel(self, status: LegStatus) -> None:
        for leg in self.memory.legs:
            if leg.status is None and leg.name != self.memory.answered:
                self.commands.append(CancelLeg(leg=leg.name))
                self._end(leg.name, status)

    def _end(self, name: str, status: LegStatus) -> None:
        """A leg is over. Put through, it completed; ended without being put through, nobody took the call."""
        if self.memory.bridged_at is not None and name == self.memory.answered:
            status = LegStatus.COMPLETED
        elif (name == self.memory.answered and not self.memory.abandoned) or status is LegStatus.COMPLETED:
            status = LegStatus.NO_ANSWER
        legs = tuple(replace(leg, status=status) if leg.name == name else leg for leg in self.memory.legs)
        self.memory = replace(self.memory, legs=legs)

from __future__ import annotations

from dataclasses import dataclass

from instructions.attributes import attribute, seconds
from instructions.commands import CancelTimer, Command, SetTimer
from instructions.elements import Verb
from instructions.events import Event, TimerFired
from instructions.outcomes import Call, Memory, Next, Outcome, Wait


@dataclass(frozen=True, kw_only=True)
class PauseMemory(Memory):
    timer: str

    def leave(self) -> tuple[Command, ...]:
        return (CancelTimer(timer=self.timer),)


class Pause(Verb):
    """Waits. Before anything was answered the caller goes on hearing it ring."""

    answers = False

    length: int = attribute(seconds(0), default=1, code=13910)

    def begin(self, call: Call) -> Outcome:
        if not self.length:
            return Next()
        timer = f"pause-{call.place}"
        return Wait(memory=PauseMemory(timer=timer), commands=(SetTimer(timer=timer, seconds=self.length),))

    def resume(self, call: Call, memory: Memory, event: Event) -> Outcome | None:
        match event, memory:
            case TimerFired(timer=fired), PauseMemory(timer=timer) if fired == timer:
                return Next()
        return None

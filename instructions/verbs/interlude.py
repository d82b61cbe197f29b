"""What the own leg hears while its verb waits: the hold music, a document that an aside runs, or nothing.

Music and documents begin anew when they end, until the verb changes them: a document at most once a second,
however short it is; music that could not be played after a minute.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from instructions.commands import (
    CancelTimer,
    Command,
    Fault,
    Music,
    Params,
    Play,
    RunAside,
    SetTimer,
    StopAside,
    StopSounds,
)
from instructions.events import AsideEnded, Event, SoundEnded, TimerFired
from instructions.outcomes import Call

SHORTEST = 1
"""Seconds from one beginning of a document to the next."""
PATIENCE = 60
"""Seconds until music that failed is tried again."""


@dataclass(frozen=True, kw_only=True)
class Page:
    """A document for an aside."""

    url: str
    method: str
    role: Literal["queued", "conference", "dequeued"]
    params: Params = ()
    queue: bool = False


Source = Page | Music | None
"""None: silence."""


@dataclass(frozen=True, kw_only=True)
class Interlude:
    """What is under way: one of a sound, an aside, and the timer until the next of them; or nothing."""

    runs: int = 0
    """How many there were: each has a name of its own."""
    sound: str | None = None
    aside: str | None = None
    timer: str | None = None
    since: float = 0.0
    """When it began."""

    def stop(self) -> tuple[Command, ...]:
        return (
            *((StopSounds(),) if self.sound else ()),
            *((StopAside(),) if self.aside else ()),
            *((CancelTimer(timer=self.timer),) if self.timer else ()),
        )

    def over(self) -> Interlude:
        """Nothing is heard any more."""
        return Interlude(runs=self.runs)

    def change(self, call: Call, source: Source) -> tuple[Interlude, tuple[Command, ...]]:
        """Stop what is heard and begin `source`."""
        begun, commands = self._begin(call, source)
        return begun, (*self.stop(), *commands)

    def resume(
        self, call: Call, event: Event, source: Source
    ) -> tuple[Interlude, tuple[Command, ...]] | None:
        """Begin `source` anew when it ended; None when `event` is not about what is heard."""
        match event:
            case SoundEnded(sound_id=ended) if ended == self.sound and event.failed:
                message = f"the hold music could not be played: {event.reason}"
                note = Fault(code=event.code, message=message, line=None, url=call.url)
                waiting, timer = self._pause(call, PATIENCE)
                return waiting, (note, timer)
            case AsideEnded(aside=ended) if ended == self.aside:
                pass
            case SoundEnded(sound_id=ended) if ended == self.sound:
                pass
            case TimerFired(timer=fired) if fired == self.timer:
                return self._begin(call, source)
            case _:
                return None
        if call.at - self.since >= SHORTEST:
            return self._begin(call, source)
        waiting, timer = self._pause(call, SHORTEST)
        return waiting, (timer,)

    def _begin(self, call: Call, source: Source) -> tuple[Interlude, tuple[Command, ...]]:
        idle = self.over()
        name = f"{call.place}-{self.runs}"
        begun = replace(idle, runs=self.runs + 1, since=call.at)
        match source:
            case Music():
                play = Play(sound_id=f"sound-{name}", sound=source, loop=0)
                return replace(begun, sound=play.sound_id), (play,)
            case Page():
                run = RunAside(
                    aside=f"aside-{name}",
                    url=source.url,
                    method=source.method,
                    role=source.role,
                    params=source.params,
                    queue=source.queue,
                )
                return replace(begun, aside=run.aside), (run,)
            case None:
                return idle, ()

    def _pause(self, call: Call, seconds: int) -> tuple[Interlude, SetTimer]:
        timer = f"again-{call.place}-{self.runs}"
        return replace(self.over(), timer=timer, since=call.at), SetTimer(timer=timer, seconds=seconds)

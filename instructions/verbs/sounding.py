"""A verb that plays one sound to its end: <Say> and <Play>, on their own or as prompts of <Gather>."""

from __future__ import annotations

from dataclasses import dataclass

from instructions.commands import Command, Fault, Play, StopSounds, Warn
from instructions.elements import Verb
from instructions.events import Event, SoundEnded
from instructions.outcomes import Call, Memory, Next, Outcome, Wait


@dataclass(frozen=True, kw_only=True)
class SoundMemory(Memory):
    sound_id: str

    def leave(self) -> tuple[Command, ...]:
        return (StopSounds(),)


class Sounding(Verb):
    """Plays one sound."""

    def play(self, call: Call, sound_id: str) -> Play | Warn | Fault | None:
        """The sound, or why there is none; None when the parser has said why."""
        raise NotImplementedError

    def failure(self, call: Call, event: SoundEnded) -> tuple[Command, ...]:
        """What to say about a sound of this verb that could not be played. The call goes on."""
        if not event.failed:
            return ()
        message = f"<{self.tag}> was not played: {event.reason}"
        return (Fault(code=event.code, message=message, line=self.line, url=call.url),)

    def begin(self, call: Call) -> Outcome:
        sound_id = f"sound-{call.place}"
        command = self.play(call, sound_id)
        if isinstance(command, Play):
            return Wait(memory=SoundMemory(sound_id=sound_id), commands=(command,))
        return Next(commands=(command,) if command else ())

    def resume(self, call: Call, memory: Memory, event: Event) -> Outcome | None:
        match event, memory:
            case SoundEnded(sound_id=ended), SoundMemory(sound_id=playing) if ended == playing:
                return Next(commands=self.failure(call, event))
        return None

from __future__ import annotations

from dataclasses import dataclass

from instructions import commands
from instructions.commands import Command, StopEcho
from instructions.elements import Verb
from instructions.outcomes import Call, Memory, Outcome, Wait


@dataclass(frozen=True, kw_only=True)
class EchoMemory(Memory):
    def leave(self) -> tuple[Command, ...]:
        return (StopEcho(),)


class Echo(Verb):
    """Sends the caller's own audio back until the call ends."""

    def begin(self, call: Call) -> Outcome:
        return Wait(memory=EchoMemory(), commands=(commands.Echo(),))

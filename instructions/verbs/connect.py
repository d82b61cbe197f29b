from __future__ import annotations

from dataclasses import dataclass

from instructions.attributes import METHOD, URL, attribute
from instructions.commands import Command, StopStream, Warn
from instructions.elements import Verb
from instructions.errors import SCHEMA_WARNING
from instructions.events import Event, HungUp, StreamEnded
from instructions.outcomes import Call, Goto, Memory, Next, Outcome, Wait
from instructions.verbs.conversations import (
    AiSession,
    Autopilot,
    Conversation,
    ConversationRelay,
    ConversationRelaySession,
    Room,
    VirtualAgent,
)
from instructions.verbs.streams import Stream, skipped


@dataclass(frozen=True, kw_only=True)
class ConnectMemory(Memory):
    stream: str

    def leave(self) -> tuple[Command, ...]:
        return (StopStream(stream=self.stream),)


class Connect(
    Verb,
    nests=(
        Stream,
        Room,
        VirtualAgent,
        Conversation,
        ConversationRelay,
        ConversationRelaySession,
        Autopilot,
        AiSession,
    ),
):
    """Hands the caller to a service until that ends: to a stream, which hears the caller and answers.

    Then `action` is asked what to do next, also when the stream could not be opened; without it, the next verb
    runs.
    """

    action: str | None = attribute(URL, default=None, code=11100)
    method: str = attribute(METHOD, default="POST")

    def begin(self, call: Call) -> Outcome:
        notices: list[Command] = []
        streams = [noun for noun in self.children if isinstance(noun, Stream)]
        for noun in self.children:
            if not isinstance(noun, Stream):
                notices.append(skipped(noun, call))
            elif noun is not streams[0]:
                message = "<Connect> has one <Stream>; this other one is ignored"
                notices.append(Warn(code=SCHEMA_WARNING, message=message, line=noun.line, url=call.url))
        if not streams:
            return Next(commands=tuple(notices))
        start = streams[0].start(call, f"stream-{call.place}", notices, bidirectional=True)
        if start is None:
            return self._end(tuple(notices))
        return Wait(memory=ConnectMemory(stream=start.stream), commands=(*notices, start))

    def resume(self, call: Call, memory: Memory, event: Event) -> Outcome | None:
        if not isinstance(memory, ConnectMemory):
            return None
        match event:
            case StreamEnded(stream=ended) if ended == memory.stream:
                return self._end()
            case HungUp():
                return self._end(memory.leave())
        return None

    def _end(self, commands: tuple[Command, ...] = ()) -> Outcome:
        if self.action is None:
            return Next(commands=commands)
        return Goto(url=self.action, method=self.method, commands=commands)

from __future__ import annotations

from instructions.commands import Command, StopStream, Warn
from instructions.elements import Verb
from instructions.errors import SCHEMA_WARNING
from instructions.outcomes import Call, Next, Outcome
from instructions.verbs.streams import Siprec, Stream, Transcription, skipped


class Stop(Verb, nests=(Stream, Siprec, Transcription)):
    """Detaches what <Start> attached under that name."""

    answers = False

    def begin(self, call: Call) -> Outcome:
        done: list[Command] = []
        for noun in self.children:
            if not isinstance(noun, Stream):
                done.append(skipped(noun, call))
            elif noun.name:
                done.append(StopStream(name=noun.name))
            else:
                message = "<Stream> has no name: <Stop> cannot know which one is meant"
                done.append(Warn(code=SCHEMA_WARNING, message=message, line=noun.line, url=call.url))
        return Next(commands=tuple(done))

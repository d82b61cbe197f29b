from __future__ import annotations

from instructions.attributes import METHOD, URL, attribute
from instructions.commands import Command, Warn
from instructions.elements import Verb, idle_attributes
from instructions.errors import SCHEMA_WARNING
from instructions.outcomes import Call, Next, Outcome
from instructions.verbs.streams import Recording, Siprec, Stream, Transcription, skipped


class Start(Verb, nests=(Stream, Siprec, Transcription, Recording), nest_code=14300):
    """Attaches something to the call's audio and goes on at once. It lasts until <Stop>, or the end of the call."""

    action: str | None = attribute(URL, default=None, code=11100, acts=False)
    method: str = attribute(METHOD, default="POST", acts=False)

    def begin(self, call: Call) -> Outcome:
        done: list[Command] = [*idle_attributes(self, call)]
        names: set[str] = set()
        for index, noun in enumerate(self.children):
            match noun:
                case Stream(name=str(name)) if name in names:
                    message = f"there is another <Stream> named {name!r} here: this one is ignored"
                    done.append(Warn(code=SCHEMA_WARNING, message=message, line=noun.line, url=call.url))
                case Stream():
                    if stream := noun.start(call, f"stream-{call.place}-{index}", done, bidirectional=False):
                        names |= {stream.name} if stream.name else set()
                        done.append(stream)
                case Recording():
                    done.append(noun.start(call, f"recording-{call.place}-{index}", done))
                case _:
                    done.append(skipped(noun, call))
        return Next(commands=tuple(done))

from __future__ import annotations

from instructions import commands
from instructions.attributes import TONES, URL, attribute, count
from instructions.commands import Fault, File, Keys, Warn
from instructions.elements import unresolved
from instructions.outcomes import Call
from instructions.verbs.sounding import Sounding


class Play(Sounding, content=URL, content_code=11100):
    """Plays an audio file `loop` times, or the tones of `digits` once."""

    loop: int = attribute(count(0, 1_000_000), default=1, code=13410)
    digits: str | None = attribute(TONES, default=None, code=13430)

    def play(self, call: Call, sound_id: str) -> commands.Play | Warn | Fault | None:
        if self.digits is not None:
            return commands.Play(sound_id=sound_id, sound=Keys(digits=self.digits), loop=1)
        if self.text is None:
            return None
        if not self.text:
            message = "<Play> has neither a URL nor digits: it was skipped"
            return Fault(code=11100, message=message, line=self.line, url=call.url)
        url = call.resolve(self.text)
        if url is None:
            return unresolved(self, "text", self.text, call)
        return commands.Play(sound_id=sound_id, sound=File(url=url), loop=self.loop)

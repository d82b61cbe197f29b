from __future__ import annotations

from instructions import commands
from instructions.attributes import LANGUAGE, VOICE, attribute, count, text
from instructions.commands import Fault, Speech, Warn
from instructions.outcomes import Call
from instructions.verbs.sounding import Sounding
from instructions.verbs.ssml import SPEECH, ssml


class Say(Sounding, nests=SPEECH, content=text(4096), content_code=13521, spoken=True):
    """Reads text to the caller. Marks inside it (SSML) do what the speech engine can do with them."""

    voice: str | None = attribute(VOICE, default=None, code=13511)
    loop: int = attribute(count(0, 1_000_000), default=1, code=13510)
    language: str = attribute(LANGUAGE, default="en-US", code=13512)

    def play(self, call: Call, sound_id: str) -> commands.Play | Warn | Fault | None:
        if self.text is None:
            return None
        if not self.text and not self.children:
            message = "<Say> has no text: it was skipped"
            return Warn(code=13520, message=message, line=self.line, url=call.url)
        markup = bool(self.children)
        speech = Speech(
            text=f"<speak>{ssml(self)}</speak>" if markup else self.text,
            markup=markup,
            voice=self.voice,
            language=self.language,
        )
        return commands.Play(sound_id=sound_id, sound=speech, loop=self.loop)

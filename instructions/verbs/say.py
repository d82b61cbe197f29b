from __future__ import annotations

from instructions.attributes import LANGUAGE, VOICE, attribute, count, text
from instructions.elements import Verb
from instructions.verbs.ssml import SPEECH


class Say(Verb, nests=SPEECH, content=text(4096), content_code=13521, spoken=True):
    """Reads text to the caller."""

    voice: str | None = attribute(VOICE, default=None, code=13511)
    loop: int = attribute(count(0, 1_000_000), default=1, code=13510)
    language: str = attribute(LANGUAGE, default="en-US", code=13512)

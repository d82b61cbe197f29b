from __future__ import annotations

from instructions.attributes import TONES, URL, attribute, count
from instructions.elements import Verb


class Play(Verb, content=URL, content_code=11100):
    """Plays an audio file, or the tones of `digits`."""

    loop: int = attribute(count(0, 1_000_000), default=1, code=13410)
    digits: str | None = attribute(TONES, default=None, code=13430)

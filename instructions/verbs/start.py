from __future__ import annotations

from instructions.attributes import METHOD, URL, attribute
from instructions.elements import Verb
from instructions.verbs.streams import Recording, Siprec, Stream, Transcription


class Start(Verb, nests=(Stream, Siprec, Transcription, Recording), nest_code=14300):
    """Attaches something to the call's audio and goes on at once."""

    action: str | None = attribute(URL, default=None, code=11100)
    method: str = attribute(METHOD, default="POST")

from __future__ import annotations

from instructions.elements import Verb
from instructions.verbs.streams import Siprec, Stream, Transcription


class Stop(Verb, nests=(Stream, Siprec, Transcription)):
    """Detaches what <Start> attached under that name."""

    answers = False

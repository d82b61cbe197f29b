"""What a caller said, as text: one utterance for <Gather>, or a whole recording for its transcription."""

from __future__ import annotations

import time
from collections.abc import Sequence

from callrouter.media.conversion import RATE
from callrouter.media.recognition.answer import joined
from callrouter.media.recognition.engines import NO_ENGINE
from callrouter.media.recognition.recogniser import (
    DEFAULT_LANGUAGE,
    ENGINE_FAILED,
    Heard,
    Question,
    Recogniser,
    RecognitionFailed,
)
from callrouter.media.recognition.transcription import pieces
from callrouter.media.recognition.turns import Turns
from foundation.webserver.errors import ApiError

LONGEST = 60
"""Seconds of one utterance (<Gather>'s maxSpeechTime)."""
SECONDS = 9.0
"""For one utterance, its wait included: a voice node gives up after ten."""
TRANSCRIPTION_SECONDS = 110.0
"""For a recording; the router gives up after 120."""
SHORTEST_RECORDING, LONGEST_RECORDING = 2, 120
"""Seconds (https://www.twilio.com/docs/api/errors/13617)."""
MOST_HINTS, LONGEST_HINT = 500, 100
TOO_LONG, BAD_HINTS, NO_TRANSCRIPTION = 20413, 13330, 13617


class Recognition:
    """Text by sound. ApiError: 13340 the engine is missing, down, slow or broken, or all are busy; 13331 it lacks the
    language; 20429 the account asks for too much at once."""

    def __init__(self, recogniser: Recogniser | None) -> None:
        self._recogniser = recogniser
        self._turns = Turns(recogniser.at_once if recogniser else 1)

    def heard(
        self,
        account: str,
        mulaw: bytes,
        *,
        language: str = "",
        hints: Sequence[str] = (),
        partial: bool = False,
    ) -> Heard:
        """An utterance. One that is `partial` is not worth a wait: it has its turn at once or not at all.

        Also ApiError 20413: it is too long; 13330: too many or too long hints."""
        if len(mulaw) > LONGEST * RATE:
            raise ApiError(
                413, TOO_LONG, f"The utterance is longer than {LONGEST} s. The fault is the sender's."
            )
        if len(hints) > MOST_HINTS or any(len(hint) > LONGEST_HINT for hint in hints):
            raise ApiError(
                422, BAD_HINTS, f"At most {MOST_HINTS} hints of {LONGEST_HINT} characters are possible."
            )
        question = Question(mulaw=mulaw, language=language or DEFAULT_LANGUAGE, hints=tuple(hints))
        return self._answered(account, question, time.monotonic() + SECONDS, wait=not partial)

    def transcribed(self, account: str, mulaw: bytes, channels: int, *, language: str = "") -> Heard:
        """A recording, what its channels say in the order of time. Also ApiError 13617: too short or too long."""
        seconds = len(mulaw) / channels / RATE
        if not SHORTEST_RECORDING <= seconds <= LONGEST_RECORDING:
            raise ApiError(
                422,
                NO_TRANSCRIPTION,
                f"The recording lasts {seconds:.1f} s; from {SHORTEST_RECORDING} to {LONGEST_RECORDING} s can be "
                "transcribed.",
            )
        self._engine()  # also where nobody speaks
        ends, parts = time.monotonic() + TRANSCRIPTION_SECONDS, []
        for piece in pieces(mulaw, channels):
            question = Question(mulaw=piece, language=language or DEFAULT_LANGUAGE)
            parts.append((self._answered(account, question, ends), float(len(piece))))
        return joined(parts)

    def _answered(self, account: str, question: Question, ends: float, *, wait: bool = True) -> Heard:
        recogniser = self._engine()
        with self._turns.turn(account, ends - time.monotonic() if wait else 0.0):
            left = ends - time.monotonic()
            try:
                return recogniser.hear(question, max(left, 0.1))
            except RecognitionFailed as failure:
                status = 503 if failure.code == ENGINE_FAILED else 422
                raise ApiError(status, failure.code, failure.message) from failure

    def _engine(self) -> Recogniser:
        if self._recogniser is None:
            raise ApiError(503, ENGINE_FAILED, NO_ENGINE)
        return self._recogniser

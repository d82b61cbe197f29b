"""What a recogniser has to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

ENGINE_FAILED = 13340
"""Twilio's "degraded speech service": the engine is missing, down, slow or broken. The operator's to mend."""
LANGUAGE = 13331
DEFAULT_LANGUAGE = "en-US"


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """8 kHz mu-law, a language tag, and the phrases that are likely (empty: anything)."""

    mulaw: bytes = field(repr=False)
    language: str = DEFAULT_LANGUAGE
    hints: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Heard:
    """`text` is empty when there was no speech; `confidence` is 0 to 1."""

    text: str
    confidence: float


NOTHING = Heard(text="", confidence=0.0)


class RecognitionFailed(Exception):
    """The engine gave no answer. `code` is Twilio's: 13331 it lacks the language, else 13340."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


def service_failed(what: str) -> RecognitionFailed:
    """An engine behind a URL is down, slow or ill."""
    return RecognitionFailed(
        ENGINE_FAILED, f"The recognition service {what}. The fault is that service's, or of the way to it."
    )


class Recogniser(Protocol):
    """A recognition engine; called from many threads."""

    at_once: int
    """How many questions it may work on at the same time."""

    def hear(self, question: Question, seconds: float) -> Heard:
        """Raises RecognitionFailed. Takes `seconds` at most."""
        ...

    def close(self) -> None: ...

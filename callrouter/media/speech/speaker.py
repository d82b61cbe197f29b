"""What a speech engine has to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

SECONDS = 20.0
"""A synthesis that takes longer is given up."""
MOST_BYTES = 40_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Utterance:
    """`text` is SSML in `<speak>…</speak>` when `markup`; `voice` is Twilio's name or empty, `language` a tag or
    empty."""

    text: str
    markup: bool
    voice: str
    language: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Audio:
    """A sound file and its type."""

    body: bytes
    content_type: str


class SpeechFailed(Exception):
    """The engine gave no sound. `code` is Twilio's: 13511 voice, 13512 language, 13520 text, else 20503."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


class Speaker(Protocol):
    """A speech engine; called from many threads."""

    version: str
    """Part of the key of what it says: another version says it anew (MD-2)."""

    def say(self, utterance: Utterance) -> Audio:
        """Raises SpeechFailed. Takes SECONDS at most."""
        ...

    def close(self) -> None: ...

"""Where a session is: all that `advance` needs beside the event, JSON-able between any two events."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from instructions.commands import FinishReason, Params
from instructions.outcomes import Memory, Role


class Waiting(StrEnum):
    """What the session waits for."""

    START = "start"
    DOCUMENT = "document"
    ANSWER = "answer"
    VERB = "verb"
    FAREWELL = "farewell"
    NOTHING = "nothing"


class Answering(StrEnum):
    """Whether the session's own leg is answered."""

    NO = "no"
    ASKED = "asked"
    YES = "yes"


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a program comes from: a URL or an inline document, and what to run when it is broken."""

    url: str | None
    method: str = "POST"
    twiml: str | None = None
    fallback_url: str | None = None
    fallback_method: str = "POST"


@dataclass(frozen=True, kw_only=True)
class Request:
    """A document that was asked for."""

    fetch: str
    url: str
    method: str
    params: Params = ()
    leg: str | None = None
    recording: str | None = None
    fallback: bool = False


@dataclass(frozen=True, kw_only=True)
class Frame:
    """A running document, verbatim, and where in it we are: verb number `cursor`, which is a `verb`."""

    document: bytes
    url: str | None
    cursor: int
    verb: str
    memory: Memory | None = None

    def remembered(self) -> Memory:
        return self.memory or Memory()


@dataclass(frozen=True, kw_only=True)
class State:
    """One session. The last of `frames` runs; `documents` counts those asked for or given inline."""

    role: Role
    caller: str
    origin: Origin
    answering: Answering
    waiting: Waiting = Waiting.START
    request: Request | None = None
    frames: tuple[Frame, ...] = ()
    documents: int = 0
    finished: FinishReason | None = None

"""What a verb may answer, what it may know, and what it may remember."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar
from urllib.parse import urljoin

from instructions.commands import Command, FinishReason, Params


class Role(StrEnum):
    """What a program is for: a call; a dialled leg that is screened before the bridge; or an aside of a verb that
    waits: in a queue, in a conference, or before a queued caller is connected."""

    CALL = "call"
    SCREENING = "screening"
    QUEUED = "queued"
    CONFERENCE = "conference"
    DEQUEUED = "dequeued"


@dataclass(frozen=True, kw_only=True)
class Call:
    """All that a verb may know about the call it runs in."""

    at: float
    url: str | None
    answered: bool
    """Answered, or about to be: Answer was sent."""
    role: Role
    caller: str
    place: str
    """Unique to this run of this verb within the session: the stem of its leg and timer names."""

    def resolve(self, reference: str) -> str | None:
        """An absolute URL; None when the document has no URL that a relative one could start from."""
        try:
            whole = urljoin(self.url or "", reference)
        except ValueError:
            return None
        return whole if whole.lower().startswith(("http://", "https://")) else None


@dataclass(frozen=True, kw_only=True)
class Memory:
    """What a verb remembers while it waits: JSON-able, and enough to clean up without the verb."""

    kinds: ClassVar[dict[str, type[Memory]]] = {}
    """Every kind, by the name that it is stored with."""

    def __init_subclass__(cls) -> None:
        Memory.kinds[cls.__name__] = cls

    def leave(self) -> tuple[Command, ...]:
        """The commands that undo what is under way, when the call leaves the verb."""
        return ()


@dataclass(frozen=True, kw_only=True)
class Wait:
    """Not done: keep `memory` and wait for events."""

    memory: Memory
    commands: tuple[Command, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Next:
    """Done: the next verb runs, or the document ends."""

    commands: tuple[Command, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Goto:
    """Done: the document at `url` (relative to this one) replaces the rest of this one."""

    url: str
    method: str
    params: Params = ()
    leg: str | None = None
    recording: str | None = None
    commands: tuple[Command, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Fail:
    """The document cannot go on here: an error, then the fallback URL."""

    code: int
    message: str
    commands: tuple[Command, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Stop:
    """The program is over."""

    reason: FinishReason
    commands: tuple[Command, ...] = ()


Outcome = Wait | Next | Goto | Fail | Stop

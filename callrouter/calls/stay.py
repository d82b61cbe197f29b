"""Where a leg is beside its own call: in a conference, in a queue, or waiting for the front of one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, kw_only=True)
class Stay:
    """`guest`: REST placed the call to bring it into a conference. `agent`: it waits for a queued caller."""

    kind: Literal["guest", "conference", "queue", "agent"]
    ticket: str = ""
    """the outbox entry by which it came in: what is told about an earlier stay is void"""
    beep: bool = False
    """the others hear a tone when it comes in"""
    seat: Mapping[str, Any] | None = None
    """how it is heard in the conference's mix (`words.Seat`); None until it is"""
    peer: str = ""
    """the call of another session that it is connected with"""
    announcing: str = ""
    """the document of an announcement that it hears"""


@dataclass(frozen=True, kw_only=True)
class Aside:
    """A document that runs on a leg while its program's verb waits."""

    name: str
    """what that program calls it"""
    url: str
    parameters: Mapping[str, str]
    """for each of its requests"""
    queue: bool = False
    """its requests tell about the queue, too"""


def address(leg: str, number: int) -> str:
    """The name of an aside's program: no two of a session have the same, so what is late finds nobody."""
    return f"{leg}~{number}"


def leg_of(program: str) -> str:
    """The leg that a program runs on."""
    return program.partition("~")[0]

"""What a client may say of itself: the built-in statuses, and what an account's own ones mean (PR-20, PR-21)."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}\Z")
RANKS = (-1000, 1000)
MOST = 100  # statuses that an account may define


class Status(StrEnum):
    """Built-in statuses, highest rank first (PR-23). Nobody stores `offline`: it is the lack of endpoints. Nobody
    needs to set `busy`: a device on a call is."""

    AVAILABLE = "available"
    AWAY = "away"
    BUSY = "busy"
    DND = "dnd"
    OFFLINE = "offline"


@dataclass(frozen=True, kw_only=True)
class StatusKind:
    """What a status means. `available` never changes after creation; `voice` and `messages` say whether calls and
    messages come through, which is `available` unless the account wants it otherwise. The highest `rank` of a
    client's devices is the client's."""

    name: str
    available: bool
    rank: int
    voice: bool
    messages: bool


def built_in(status: Status, rank: int) -> StatusKind:
    available = status is Status.AVAILABLE
    return StatusKind(name=status.value, available=available, rank=rank, voice=available, messages=available)


BUILT_IN = {
    kind.name: kind
    for kind in (
        built_in(Status.AVAILABLE, 400),
        built_in(Status.AWAY, 300),
        built_in(Status.BUSY, 200),
        built_in(Status.DND, 100),
    )
}
AVAILABLE, BUSY = BUILT_IN["available"], BUILT_IN["busy"]
RESERVED = frozenset(Status)
"""Names that no account can define."""


def kind_of(row: Any) -> StatusKind:
    """What a stored status means."""
    return StatusKind(
        name=row.name, available=row.available, rank=row.rank, voice=row.voice, messages=row.messages
    )

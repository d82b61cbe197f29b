"""One sound as it is handed out."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum


class Outcome(StrEnum):
    """How a request was served (MD-11)."""

    HIT = "hit"
    REVALIDATED = "revalidated"
    MISS = "miss"
    STALE = "stale"


@dataclass(frozen=True, kw_only=True, slots=True)
class Sound:
    """8 kHz mono mu-law. `key` names it within its account."""

    key: str
    body: bytes = field(repr=False)
    etag: str
    cache_control: str
    outcome: Outcome


def digest(body: bytes, *more: object) -> str:
    """Names these bytes, and what else makes a difference."""
    summed = hashlib.sha256(body)
    summed.update(repr(more).encode())
    return summed.hexdigest()[:32]

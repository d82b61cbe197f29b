"""Where a reader of the feed stands: a window of time, and what was read of it.

A row's moment is taken before its commit, so a row may become visible after another with a later moment. The last
seconds are therefore read again each time, and what was given before is told by a digest of its key.
"""

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from callrouter.directory.errors import Refused

OVERLAP = 20.0
"""Seconds for which a commit may be late: three tries of five seconds for a lock, and their pauses (foundation.db)."""
MOST = 1_000
"""Keys that a cursor holds: 8 kB. In a busier window the overlap is shorter."""
DIGEST = 8


@dataclass(frozen=True, kw_only=True)
class Cursor:
    """`start`: rows before it are not looked at again; `seen`: digests of those after it that were given."""

    start: float
    seen: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """Refused: this was never a cursor."""
        start, _, digests = text.partition("|")
        try:
            at = float.fromhex(start)
        except (ValueError, OverflowError):
            at = float("nan")
        if at != at or len(digests) % DIGEST or len(digests) > 4 * MOST * DIGEST:
            raise Refused(20001, "This is no cursor of the feed; begin without one", 400)
        cut = (digests[place : place + DIGEST] for place in range(0, len(digests), DIGEST))
        return cls(start=at, seen=frozenset(cut))

    def __str__(self) -> str:
        return f"{self.start.hex()}|{''.join(sorted(self.seen))}"

    def after(self, read: Iterable[tuple[float, str]]) -> "Cursor":
        """The cursor once these (moment and key of all that stands from `start` on) have been given."""
        ordered = sorted(read, reverse=True)
        if not ordered:
            return self
        oldest = ordered[: MOST + 1][-1][0] if len(ordered) > MOST else float("-inf")
        start = max(self.start, ordered[0][0] - OVERLAP, oldest)
        return Cursor(start=start, seen=frozenset(digest(key) for at, key in ordered if at >= start))


def digest(key: str) -> str:
    return base64.urlsafe_b64encode(hashlib.blake2b(key.encode(), digest_size=6).digest()).decode()

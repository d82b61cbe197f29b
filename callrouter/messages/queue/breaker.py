"""When a carrier that fails is left alone (PQ-8).

`closed` lets all through; after FAILURES in a row it is `open` and lets nothing through for a pause that doubles; then
it is `half-open`: one message at a time goes out, and its end decides.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

FAILURES = 5
"""One after the other; a success in between starts the count anew."""
SHORTEST, LONGEST = 1.0, 60.0
"""Seconds of the pause."""


class State(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass(frozen=True, kw_only=True)
class Breaker:
    """`opened_at` is when it last let nothing through any more."""

    state: State = State.CLOSED
    failures: int = 0
    opened_at: float | None = None

    @property
    def until(self) -> float:
        """When its pause ends."""
        pause = min(LONGEST, SHORTEST * 2.0 ** min(16, max(0, self.failures - FAILURES)))
        return (self.opened_at or 0.0) + pause

    def at(self, now: float) -> "Breaker":
        """As it stands by now."""
        if self.state is State.OPEN and now >= self.until:
            return replace(self, state=State.HALF_OPEN)
        return self

    def room(self, window: int) -> int:
        """How many messages may be under way at once, of `window` when all is well."""
        return {State.CLOSED: window, State.OPEN: 0, State.HALF_OPEN: 1}[self.state]

    def failed(self, now: float) -> "Breaker":
        """After a hand-off without a usable answer. Those that were under way when it opened say nothing new."""
        if self.state is State.OPEN:
            return self
        failures = self.failures + 1
        if self.state is State.CLOSED and failures < FAILURES:
            return replace(self, failures=failures)
        return Breaker(state=State.OPEN, failures=max(failures, FAILURES), opened_at=now)

    def succeeded(self) -> "Breaker":
        """After any answer that shows a carrier at work, a refusal among them."""
        return Breaker()

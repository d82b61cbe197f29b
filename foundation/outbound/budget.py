"""The time that one logical fetch may take, whatever the other side does.

A socket's own timeout starts again with every byte (reliability M2). Here every single wait, for a name, a
connection, a byte in or a byte out, asks the budget how much is left and waits no longer than that.
"""

from __future__ import annotations

from collections.abc import Callable

from .errors import Fault, TimeOver
from .overrides import Overrides


class Budget:
    """`total_ms` from `started` for everything, both tries and all redirects; inside it `connect_ms` for one
    connection and `read_ms` for one answer. `begun` is when the first byte could have been sent: the time
    before it went by in our own queue. `sent`: a request has begun to leave, on whichever connection. Times are in
    seconds of the clock `now`."""

    def __init__(self, overrides: Overrides, now: Callable[[], float], started: float | None = None) -> None:
        self._now = now
        self._connect = overrides.connect_ms / 1000
        self._read = overrides.read_ms / 1000
        begun = now()
        self._queued = 0.0 if started is None else begun - started
        self._ends = begun - self._queued + overrides.total_ms / 1000
        self._phase_ends = self._ends
        self._phase_over = self._total_over
        self._total_ms = overrides.total_ms
        self.sent = False

    def start_connecting(self) -> None:
        self._start(self._connect, self._connect_over)

    def start_reading(self) -> None:
        """The request leaves now, and its answer is waited for."""
        self.sent = True
        self._start(self._read, self._read_over)

    def left(self) -> float:
        """Seconds left for the next wait, above zero. Raises TimeOver."""
        left = self._phase_ends - self._now()
        if left <= 0:
            raise self._phase_over()
        return left

    def over(self) -> TimeOver:
        """What to raise when a wait of `left()` seconds was in vain."""
        return self._phase_over()

    def _start(self, seconds: float, over: Callable[[], TimeOver]) -> None:
        ends = self._now() + seconds
        self._phase_ends, self._phase_over = (
            (ends, over) if ends < self._ends else (self._ends, self._total_over)
        )

    def _connect_over(self) -> TimeOver:
        return TimeOver(11201, f"No connection within {self._connect:g} s", retry_word="ct")

    def _read_over(self) -> TimeOver:
        return TimeOver(11200, f"No complete answer within {self._read:g} s", retry_word="rt")

    def _total_over(self) -> TimeOver:
        reason = f"The total time of {self._total_ms / 1000:g} s is over"
        if self._queued * 2000 < self._total_ms:
            return TimeOver(11203, reason)
        return TimeOver(11203, f"{reason}, {self._queued:.1f} s of it in our queue", fault=Fault.PLATFORM)

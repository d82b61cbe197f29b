"""Answers of a look-up, kept for a moment, so that a busy second asks the database once."""

import time
from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

MOST = 10_000


class Memory(Generic[K, V]):
    """Serves what `find` answered up to `seconds` ago; None is no answer and is asked for again.

    Safe in many threads: at worst, several of them ask at once.
    """

    def __init__(
        self, find: Callable[[K], V | None], seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._find, self._seconds, self._clock = find, seconds, clock
        self._kept: dict[K, tuple[float, V]] = {}

    def known(self, key: K) -> V | None:
        """The answer if it is remembered."""
        until, value = self._kept.get(key, (0.0, None))
        return value if until > self._clock() else None

    def __call__(self, key: K) -> V | None:
        """The remembered answer, or a fresh one."""
        value = self.known(key)
        if value is None and (value := self._find(key)) is not None:
            if len(self._kept) >= MOST:
                self._kept.clear()
            self._kept[key] = self._clock() + self._seconds, value
        return value

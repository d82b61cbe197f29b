"""How many may ask a recogniser at once, how many may wait, and how many of one account."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from callrouter.media.recognition.recogniser import ENGINE_FAILED
from foundation.webserver.errors import ApiError

MOST_WAITING = 64
MOST_OF_ACCOUNT = 40
"""Waiting or at work; the rest is for the others."""


class Turns:
    """Safe in many threads."""

    def __init__(self, at_once: int) -> None:
        self._free = threading.BoundedSemaphore(at_once)
        self._most = at_once + MOST_WAITING
        self._lock = threading.Lock()
        self._inside: Counter[str] = Counter()

    @contextmanager
    def turn(self, account: str, seconds: float) -> Iterator[None]:
        """Waits for its turn. ApiError 20429: the account asks for too much at once; 13340: everybody does, or it took
        more than `seconds`."""
        with self._lock:
            if self._inside[account] >= MOST_OF_ACCOUNT:
                raise ApiError(
                    429,
                    20429,
                    f"{MOST_OF_ACCOUNT} recognitions of this account are under way already; try again.",
                    {"Retry-After": "1"},
                )
            if self._inside.total() >= self._most:
                raise busy()
            self._inside[account] += 1
        try:
            if not self._free.acquire(timeout=max(seconds, 0.0)):
                raise busy()
            try:
                yield
            finally:
                self._free.release()
        finally:
            with self._lock:
                self._inside[account] -= 1
                if not self._inside[account]:
                    del self._inside[account]


def busy() -> ApiError:
    return ApiError(
        503, ENGINE_FAILED, "Too much speech waits to be recognised here; try again.", {"Retry-After": "1"}
    )

"""Many that want the same thing at once: one gets it for all of them (MD-5)."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

from prometheus_client import Gauge

from foundation.webserver.errors import ApiError

WAITING = Gauge("callrouter_media_waiting", "Requests that wait for a fetch or a synthesis.", ["kind"])

T = TypeVar("T")

WAIT_SECONDS = 90.0
"""Longer than a fetch, a synthesis and a conversion may take together."""
MOST_OF_ACCOUNT = 150
"""Requests of one account that may wait for what is not there yet; the threads left are for the others."""


class Flights(Generic[T]):
    """Work under way, by account and key."""

    def __init__(self, kind: str) -> None:
        self._gauge = WAITING.labels(kind)
        self._lock = threading.Lock()
        self._under_way: dict[tuple[str, str], Future[T]] = {}
        self._waiting: Counter[str] = Counter()

    def run(self, account: str, key: str, work: Callable[[], T]) -> T:
        """What `work` returns or raises, here or for whoever came first. ApiError 20429: the account waits for too
        much already; 20503: the first one takes too long."""
        with self._lock:
            if self._waiting[account] >= MOST_OF_ACCOUNT:
                raise ApiError(
                    429,
                    20429,
                    f"{MOST_OF_ACCOUNT} sounds of this account are being fetched already; try again.",
                    {"Retry-After": "1"},
                )
            self._waiting[account] += 1
            self._gauge.inc()
            flight = self._under_way.get((account, key))
            first = flight is None
            if flight is None:
                flight = self._under_way[account, key] = Future()
        try:
            if not first:
                return flight.result(WAIT_SECONDS)
            return self._lead(account, key, flight, work)
        except TimeoutError as error:
            raise ApiError(
                503, 20503, f"The sound was not there within {WAIT_SECONDS:g} s; try again."
            ) from error
        finally:
            with self._lock:
                self._gauge.dec()
                self._waiting[account] -= 1
                if not self._waiting[account]:
                    del self._waiting[account]

    def _lead(self, account: str, key: str, flight: Future[T], work: Callable[[], T]) -> T:
        try:
            result = work()
        except BaseException as error:
            self._land(account, key)
            flight.set_exception(error)
            raise
        self._land(account, key)
        flight.set_result(result)
        return result

    def _land(self, account: str, key: str) -> None:
        with self._lock:
            del self._under_way[account, key]

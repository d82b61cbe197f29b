"""Host names to addresses, in bounded time (fault F34: DNS gone or slow).

The system's resolver cannot be interrupted, so a look-up runs in a thread of its own and is abandoned when
its time is over. Callers of one name share one look-up, and there are never more than `slots` of them.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from ipaddress import ip_address

from .budget import Budget
from .errors import NameNotResolved, Overloaded
from .guard import Address, literal

Lookup = Callable[[str], list[str]]
"""A name's addresses as text; raises OSError when there are none. May block."""


def system_lookup(host: str) -> list[str]:
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return [str(address[0]) for *_, address in found]


class Resolver:
    """Safe in many threads."""

    def __init__(self, lookup: Lookup = system_lookup, *, slots: int = 64, seconds: float = 5.0) -> None:
        self._lookup = lookup
        self._slots = slots
        self._seconds = seconds
        self._lock = threading.Lock()
        self._running: dict[str, Future[list[str]]] = {}

    def resolve(self, host: str, budget: Budget) -> list[Address]:
        """All addresses of a name or of an address, in the system's order. Raises NameNotResolved, TimeOver,
        and Overloaded when `slots` other names are still being looked up."""
        if (address := literal(host)) is not None:
            return [address]
        future = self._join(host)
        try:
            texts = future.result(timeout=min(self._seconds, budget.left()))
        except FutureTimeout:
            budget.left()  # raises when it was the budget that ended
            raise NameNotResolved(11210, "The host name was not resolved in time", detail=host) from None
        except (OSError, UnicodeError) as error:
            raise NameNotResolved(
                11210, "The host name does not resolve", detail=f"{host}: {error}"
            ) from None
        # A zone (fe80::1%eth0) only occurs on link-local addresses; without it the guard sees what it is.
        return [ip_address(text.partition("%")[0]) for text in dict.fromkeys(texts)]

    def _join(self, host: str) -> Future[list[str]]:
        with self._lock:
            if (running := self._running.get(host)) is not None:
                return running
            if len(self._running) >= self._slots:
                raise Overloaded(12400, "Too many names are being looked up at once")
            future: Future[list[str]] = Future()
            self._running[host] = future
        threading.Thread(target=self._run, args=(host, future), name="resolve", daemon=True).start()
        return future

    def _run(self, host: str, future: Future[list[str]]) -> None:
        try:
            found = self._lookup(host)
        except BaseException as error:
            result: list[str] | BaseException = error
        else:
            result = found or OSError("no address")
        with self._lock:
            del self._running[host]
        if isinstance(result, BaseException):
            future.set_exception(result)
        else:
            future.set_result(result)

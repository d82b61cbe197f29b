"""Kept-alive connections that wait for their next request."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

from .connection import Connection


class IdleConnections:
    """At most `limit` connections, `per_origin` to one origin, none older than `seconds`; the longest idle
    goes first. Safe in many threads: a connection is either here or in the hands of one fetch."""

    def __init__(
        self,
        *,
        limit: int = 256,
        per_origin: int = 16,
        seconds: float = 60.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit = limit
        self._per_origin = per_origin
        self._seconds = seconds
        self._now = now
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, tuple[Hashable, float, Connection]] = OrderedDict()
        self._by_origin: dict[Hashable, list[int]] = {}
        self._closed = False

    def take(self, origin: Hashable) -> Connection | None:
        """The origin's most recently used connection that is still open, if any."""
        while True:
            with self._lock:
                keys = self._by_origin.get(origin)
                if not keys:
                    return None
                _, since, connection = self._remove(keys[-1])
            # Readable while idle means closed by the server, or bytes that belong to no request.
            if self._now() - since < self._seconds and connection.is_connected:
                return connection
            connection.close()

    def keep(self, origin: Hashable, connection: Connection) -> None:
        surplus: list[Connection] = []
        with self._lock:
            if self._closed:
                surplus.append(connection)
            else:
                keys = self._by_origin.setdefault(origin, [])
                keys.append(id(connection))
                self._kept[id(connection)] = (origin, self._now(), connection)
                if len(keys) > self._per_origin:
                    surplus.append(self._remove(keys[0])[2])
                while len(self._kept) > self._limit or self._oldest_age() > self._seconds:
                    surplus.append(self._remove(next(iter(self._kept)))[2])
        for extra in surplus:
            extra.close()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            connections = [connection for _, _, connection in self._kept.values()]
            self._kept.clear()
            self._by_origin.clear()
        for connection in connections:
            connection.close()

    def __len__(self) -> int:
        return len(self._kept)

    def _oldest_age(self) -> float:
        return self._now() - next(iter(self._kept.values()))[1]

    def _remove(self, key: int) -> tuple[Hashable, float, Connection]:
        entry = self._kept.pop(key)
        keys = self._by_origin[entry[0]]
        keys.remove(key)
        if not keys:
            del self._by_origin[entry[0]]
        return entry

"""Several presence processes on one PostgreSQL, with one router, as behind a load balancer."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from presence_world import Tenant, World

PATIENCE = 25.0
"""Seconds in which a death is noticed, adopted, and its grace is over."""


class Node(World):
    """One of several servers; its router is the fleet's."""

    def join(self, fleet: "Fleet") -> "Node":
        self.router.close()
        self.router = fleet.router
        return self

    def close(self) -> None:
        self.hang_up_all()
        self.stop()
        self.client.close()


class Fleet:
    """Nodes `a`, `b`, … of one database, each in a process of its own."""

    def __init__(self, folder: Path, database_url: str, size: int = 2, **settings: Any) -> None:
        self._base = World(folder / "base", database_url)
        self.router = self._base.router
        self.database_url = database_url
        self.nodes = [
            Node(
                folder / str(number), database_url, router_url=self.router.url, signal_bind="off", **settings
            ).join(self)
            for number in range(size)
        ]

    def spawn(self) -> "Fleet":
        """All at once."""
        with ThreadPoolExecutor() as pool:
            list(pool.map(Node.spawn, self.nodes))
        return self

    def tenant(self) -> list[Tenant]:
        """One account, as each node sees it."""
        first = self.nodes[0].tenant()
        twins = []
        for node in self.nodes:
            twin = object.__new__(Tenant)
            twin.__dict__ |= {**vars(first), "world": node}
            twins.append(twin)
        return twins

    def close(self) -> None:
        with ThreadPoolExecutor() as pool:
            list(pool.map(Node.close, self.nodes))
        self._base.close()


def until(true: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
    """Asks again and again, for as long as it may take."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not in {seconds:g} s: {what}"
        time.sleep(0.05)

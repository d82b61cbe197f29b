"""What a page works on: the router's parts, and short ways to its database."""

from collections.abc import Callable
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Connection

from callrouter.parts import Parts
from foundation.webserver.errors import ApiError

T = TypeVar("T")

WRITE_SECONDS = 30


@dataclass(frozen=True)
class Console:
    """Handed to each page's `add`."""

    parts: Parts

    def now(self) -> float:
        """Unix seconds."""
        return self.parts.clock().timestamp()

    def read(self, query: Callable[[Connection], T]) -> T:
        with self.parts.database.read() as connection:
            return query(connection)

    def write(self, work: Callable[[Connection], T], key: str = "") -> T:
        """Runs a repeatable unit of work and returns after its commit."""
        try:
            return self.parts.database.write(work, key=key).result(WRITE_SECONDS)
        except FutureTimeout:
            raise ApiError(
                503, 20503, "The database did not answer in time; look whether the change was made."
            ) from None

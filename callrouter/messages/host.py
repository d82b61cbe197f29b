"""What the parts for messages need of the process that they run in: the engine of calls has it all."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from sqlalchemy import Connection

from callrouter.calls.store import OutboxRow


class Host(Protocol):
    """`callrouter.calls.engine.Engine`, or a test's stand-in."""

    carry_out: Callable[[Sequence[OutboxRow]], None]
    """takes committed outbox entries; belongs to the event loop"""

    @property
    def owner(self) -> str:
        """The router's name."""

    def now(self) -> float: ...

    async def persist(self, unit: Callable[[Connection], Any], key: str) -> Any:
        """Commits what must not be lost, however long the database takes."""

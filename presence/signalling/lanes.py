"""Work in order for one key, while different keys go side by side: the events of one call, in the call's order."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

import structlog

log = structlog.get_logger(__name__)

LIMIT = 64
Work = Callable[[], Awaitable[None]]


class Lanes:
    """Bounded queues that exist only while there is work."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._waiting: dict[str, deque[Work]] = {}
        self._running: dict[str, asyncio.Task[None]] = {}

    def put(self, key: str, work: Work) -> bool:
        """Does the work after what the key already has; False when that is too much."""
        waiting = self._waiting.setdefault(key, deque())
        if len(waiting) >= self._limit:
            return False
        waiting.append(work)
        if key not in self._running:
            self._running[key] = asyncio.create_task(self._run(key, waiting))
        return True

    def running(self, key: str) -> "asyncio.Task[None] | None":
        """The task that empties this lane; None when the lane is empty."""
        return self._running.get(key)

    async def close(self, timeout: float) -> None:
        """Gives what is under way a last chance, then cancels it."""
        tasks = list(self._running.values())
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=timeout)
            for task in late:
                task.cancel()

    async def _run(self, key: str, waiting: deque[Work]) -> None:
        try:
            while waiting:
                try:
                    await waiting.popleft()()
                except Exception as error:
                    log.error("a call's event failed", lane=key, exc_info=error)
        finally:
            del self._waiting[key], self._running[key]

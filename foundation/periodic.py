"""Work that a process does again and again until it is stopped."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

log = structlog.get_logger(__name__)


class Periodic:
    """Does the work at once, then `every` so many seconds. A round that fails is logged; the next one follows."""

    def __init__(self, what: str, work: Callable[[], Awaitable[None]], every: float) -> None:
        self._what, self._work, self._every = what, work, every
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Returns when no round is under way any more."""
        if self._task:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            try:
                await self._work()
            except Exception:
                log.exception("a round failed; the next one follows", what=self._what)
            await asyncio.sleep(self._every)

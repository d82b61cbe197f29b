"""Fetches for an asyncio program: a bounded number of threads, shared fairly by the accounts.

One account whose thousand origins all hang holds `per_account` threads at most; what else it wants waits in
its own line, and the lines of the other accounts are served in turn.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from .errors import Fault, Overloaded, TimeOver
from .message import OutboundRequest, OutboundResponse

LARGEST_SHARE = 16
LONGEST_WAIT = 15.0  # seconds; the largest total time that a URL can ask for


class Fetches(Protocol):
    """What the pool needs of a `Fetcher`."""

    def fetch(self, request: OutboundRequest, *, started: float | None = None) -> OutboundResponse: ...

    def close(self) -> None: ...


@dataclass(eq=False, slots=True)
class _Job:
    account_sid: str
    request: OutboundRequest
    started: float
    future: asyncio.Future[OutboundResponse] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Load:
    """How many requests wait for a thread, and how many have one."""

    waiting: int
    running: int


class FetchPool:
    """`queue` bounds the requests that wait for a thread. Call `fetch` from coroutines of one event loop.

    `per_account`: threads that one account may hold; unless given, half of them at most.
    """

    def __init__(
        self,
        fetcher: Fetches,
        *,
        threads: int = 32,
        per_account: int | None = None,
        queue: int = 2000,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetcher = fetcher
        self._per_account = per_account or max(1, min(LARGEST_SHARE, threads // 2))
        self._queue = queue
        self._now = now
        self._changed = threading.Condition()
        # Accounts with waiting jobs, the one to be served next first.
        self._lines: OrderedDict[str, deque[_Job]] = OrderedDict()
        self._running: dict[str, int] = {}
        self._waiting = 0
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"fetch-{number}", daemon=True)
            for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def load(self) -> Load:
        with self._changed:
            return Load(waiting=self._waiting, running=sum(self._running.values()))

    async def fetch(self, account_sid: str, request: OutboundRequest) -> OutboundResponse:
        """Like `Fetcher.fetch`; the time in the queue counts. Raises Overloaded at once when the queue is
        full."""
        loop = asyncio.get_running_loop()
        job = _Job(account_sid, request, self._now(), loop.create_future())
        with self._changed:
            if self._closed:
                raise Overloaded(12400, "This server is shutting down")
            if self._waiting >= self._queue:
                raise Overloaded(12400, f"{self._queue} requests are waiting to be sent already")
            self._lines.setdefault(account_sid, deque()).append(job)
            self._waiting += 1
            self._changed.notify()
        expiry = loop.call_later(LONGEST_WAIT, self._expire, job)
        try:
            return await job.future
        except asyncio.CancelledError:
            self._forget(job)
            raise
        finally:
            expiry.cancel()

    async def close(self, grace: float = 5.0) -> None:
        """Refuses what waits, gives what runs `grace` seconds, then cuts it off."""
        with self._changed:
            self._closed = True
            waiting = [job for line in self._lines.values() for job in line]
            self._lines.clear()
            self._waiting = 0
            self._changed.notify_all()
        for job in waiting:
            _settle(job.future, Overloaded(12400, "This server is shutting down"))
        await asyncio.to_thread(self._join, grace)
        self._fetcher.close()
        await asyncio.to_thread(self._join, 1.0)

    def _join(self, seconds: float) -> None:
        ends = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, ends - time.monotonic()))

    def _expire(self, job: _Job) -> None:
        if self._forget(job):
            reason = f"The request waited {LONGEST_WAIT:g} s in our queue"
            _settle(job.future, TimeOver(11203, reason, fault=Fault.PLATFORM))

    def _forget(self, job: _Job) -> bool:
        """Takes a job that has not begun out of its line."""
        with self._changed:
            line = self._lines.get(job.account_sid)
            if line is None or job not in line:
                return False
            line.remove(job)
            self._waiting -= 1
            if not line:
                del self._lines[job.account_sid]
            return True

    def _work(self) -> None:
        while (job := self._next()) is not None:
            try:
                result: OutboundResponse | Exception = self._fetcher.fetch(job.request, started=job.started)
            except Exception as error:  # whatever it is, somebody waits for it
                result = error
            with self._changed:
                self._running[job.account_sid] -= 1
                if not self._running[job.account_sid]:
                    del self._running[job.account_sid]
                elif job.account_sid in self._lines:
                    self._changed.notify()
            with suppress(RuntimeError):  # the loop is gone, and whoever waited with it
                job.future.get_loop().call_soon_threadsafe(_settle, job.future, result)

    def _next(self) -> _Job | None:
        """The next job of the first account in turn that has a thread to spare; None when the pool closes."""
        with self._changed:
            while not self._closed:
                for account_sid, line in self._lines.items():
                    if self._running.get(account_sid, 0) < self._per_account:
                        self._running[account_sid] = self._running.get(account_sid, 0) + 1
                        self._waiting -= 1
                        job = line.popleft()
                        if line:
                            self._lines.move_to_end(account_sid)
                        else:
                            del self._lines[account_sid]
                        return job
                self._changed.wait()
            return None


def _settle(future: asyncio.Future[OutboundResponse], result: OutboundResponse | Exception) -> None:
    if future.done():
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)

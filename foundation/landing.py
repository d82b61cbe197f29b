"""Brings results of threads to an event loop, many at a time: waking a loop costs a system call and the interpreter's
lock, which is more than most results have cost.
"""

import asyncio
from collections import deque
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar
from weakref import WeakKeyDictionary, ref

T = TypeVar("T")


class Landing:
    """Of one loop. What has landed before the loop looks is delivered together."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = ref(loop)
        self._landed: deque[tuple[asyncio.Future[Any], Future[Any]]] = deque()
        self._called = False

    def of(self, future: "Future[T]") -> "asyncio.Future[T]":
        """What `asyncio.wrap_future` does: cancelled with it, also the other way round."""
        loop = self._loop()
        assert loop is not None
        waiting: asyncio.Future[T] = loop.create_future()

        def land(done: "Future[T]") -> None:
            self._landed.append((waiting, done))
            if not self._called:  # else `_deliver` is still to come, and finds it
                self._called = True
                self._call()

        def cancel(given_up: "asyncio.Future[T]") -> None:
            if given_up.cancelled():
                future.cancel()

        future.add_done_callback(land)
        waiting.add_done_callback(cancel)
        return waiting

    def _call(self) -> None:
        loop = self._loop()
        with suppress(RuntimeError):  # the loop has been closed: nobody waits any more
            if loop is not None:
                loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        self._called = False
        while self._landed:
            waiting, done = self._landed.popleft()
            if waiting.done():
                continue
            if done.cancelled():
                waiting.cancel()
            elif (error := done.exception()) is not None:
                waiting.set_exception(error)
            else:
                waiting.set_result(done.result())


_LANDINGS: "WeakKeyDictionary[asyncio.AbstractEventLoop, Landing]" = WeakKeyDictionary()


def landed(future: "Future[T]") -> "asyncio.Future[T]":
    """The future on the running loop."""
    loop = asyncio.get_running_loop()
    landing = _LANDINGS.get(loop)
    if landing is None:
        landing = _LANDINGS[loop] = Landing(loop)
    return landing.of(future)

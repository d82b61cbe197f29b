"""Results of threads on an event loop: all arrive, in one wake-up where that is possible, and giving up is heard."""

import asyncio
import threading
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from foundation.landing import landed

MANY = 2_000


def test_every_result_of_many_threads_arrives() -> None:
    async def main() -> None:
        futures: list[Future[int]] = [Future() for _ in range(MANY)]
        waiting = [landed(future) for future in futures]
        with ThreadPoolExecutor(8) as pool:
            for number, future in enumerate(futures):
                pool.submit(future.set_result, number)
            async with asyncio.timeout(20):
                assert await asyncio.gather(*waiting) == list(range(MANY))

    asyncio.run(main())


def test_results_that_are_there_together_wake_the_loop_once() -> None:
    async def main() -> None:
        loop, calls = asyncio.get_running_loop(), []
        real = loop.call_soon_threadsafe
        futures: list[Future[int]] = [Future() for _ in range(50)]
        waiting = [landed(future) for future in futures]
        loop.call_soon_threadsafe = lambda *given: calls.append(1) or real(*given)  # type: ignore
        resolving = threading.Thread(target=lambda: [future.set_result(1) for future in futures])
        resolving.start()
        resolving.join()  # the loop has had no turn
        assert await asyncio.gather(*waiting) == [1] * 50
        assert len(calls) == 1

    asyncio.run(main())


def test_a_failure_is_raised_and_a_cancelled_future_cancels() -> None:
    async def main() -> None:
        failed: Future[int] = Future()
        cancelled: Future[int] = Future()
        first, second = landed(failed), landed(cancelled)
        failed.set_exception(ValueError("no"))
        cancelled.cancel()
        with pytest.raises(ValueError, match="no"):
            await first
        with pytest.raises(asyncio.CancelledError):
            await second

    asyncio.run(main())


def test_who_gives_up_cancels_what_has_not_begun() -> None:
    async def main() -> None:
        future: Future[int] = Future()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await landed(future)
        await asyncio.sleep(0)
        assert future.cancelled()

    asyncio.run(main())


def test_a_result_for_a_loop_that_is_gone_harms_nobody() -> None:
    future: Future[int] = Future()

    async def main() -> None:
        landed(future)

    asyncio.run(main())
    future.set_result(1)

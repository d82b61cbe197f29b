"""The fetch pool: bounded threads, fair shares per account (peers 3, row 2; reliability 4.1)."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from foundation.outbound import (
    Fault,
    Fetcher,
    FetchPool,
    OutboundError,
    OutboundRequest,
    OutboundResponse,
    Overloaded,
)
from foundation.outbound import pool as pool_module
from tests.support.origin import HANG, Origin, reply

DONE = OutboundResponse(status=200, headers=(), body=b"", url="")


class Gate:
    """A fetcher whose requests to /hang wait until it opens."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.lock = threading.Lock()
        self.order: list[str] = []
        self.hanging = 0
        self.most_hanging = 0
        self.closed = False

    def fetch(self, request: OutboundRequest, *, started: float | None = None) -> OutboundResponse:
        with self.lock:
            self.order.append(request.url)
            if "hang" in request.url:
                self.hanging += 1
                self.most_hanging = max(self.hanging, self.most_hanging)
        if "hang" in request.url:
            self.open.wait(20)
            with self.lock:
                self.hanging -= 1
        if "fault" in request.url:
            raise ZeroDivisionError("a mistake of ours")
        return DONE

    def close(self) -> None:
        self.closed = True
        self.open.set()


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(main(), 20))


def get(url: str) -> OutboundRequest:
    return OutboundRequest(url=url)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)


def test_peers_row_2_one_account_with_a_thousand_hung_origins_does_not_stop_another() -> None:
    async def main() -> None:
        gate = Gate()
        pool = FetchPool(gate, threads=4, per_account=2, queue=2000)
        hung = [asyncio.create_task(pool.fetch("AC1", get(f"hang{number}"))) for number in range(1000)]
        await until(lambda: gate.hanging == 2)
        for _ in range(50):
            assert await pool.fetch("AC2", get("quick")) is DONE
        assert gate.most_hanging == 2
        gate.open.set()
        assert await asyncio.gather(*hung) == [DONE] * 1000
        await pool.close()

    run(main)


def test_accounts_are_served_in_turn() -> None:
    async def main() -> None:
        gate = Gate()
        pool = FetchPool(gate, threads=1, per_account=1)
        first = asyncio.create_task(pool.fetch("AC0", get("hang")))
        await until(lambda: gate.hanging == 1)
        tasks = [
            asyncio.create_task(pool.fetch(account, get(account))) for account in ("A", "A", "A", "B", "C")
        ]
        await asyncio.sleep(0)
        gate.open.set()
        await asyncio.gather(first, *tasks)
        assert gate.order == ["hang", "A", "B", "C", "A", "A"]
        await pool.close()

    run(main)


def test_a_full_queue_is_told_at_once_and_is_our_fault() -> None:
    async def main() -> None:
        gate = Gate()
        pool = FetchPool(gate, threads=1, queue=2)
        tasks = [asyncio.create_task(pool.fetch("A", get("hang")))]
        await until(lambda: gate.hanging == 1)
        tasks += [asyncio.create_task(pool.fetch("A", get("hang"))) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded) as caught:
            await pool.fetch("B", get("quick"))
        assert (caught.value.code, caught.value.fault) == (12400, Fault.PLATFORM)
        gate.open.set()
        await asyncio.gather(*tasks)
        assert await pool.fetch("B", get("quick")) is DONE
        await pool.close()

    run(main)


def test_waiting_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "LONGEST_WAIT", 0.05)

    async def main() -> None:
        gate = Gate()
        pool = FetchPool(gate, threads=1)
        first = asyncio.create_task(pool.fetch("A", get("hang")))
        await until(lambda: gate.hanging == 1)
        with pytest.raises(OutboundError) as caught:
            await pool.fetch("A", get("late"))
        assert (caught.value.code, caught.value.fault) == (11203, Fault.PLATFORM)
        gate.open.set()
        await first
        await pool.close()
        assert gate.order == ["hang"]

    run(main)


def test_a_cancelled_wait_is_never_sent() -> None:
    async def main() -> None:
        gate = Gate()
        pool = FetchPool(gate, threads=1)
        first = asyncio.create_task(pool.fetch("A", get("hang")))
        await until(lambda: gate.hanging == 1)
        second = asyncio.create_task(pool.fetch("A", get("unwanted")))
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        gate.open.set()
        await first
        assert await pool.fetch("A", get("last")) is DONE
        await pool.close()
        assert gate.order == ["hang", "last"]

    run(main)


def test_errors_of_any_kind_reach_the_waiter_and_cost_no_thread() -> None:
    async def main() -> None:
        pool = FetchPool(Gate(), threads=1)
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                await pool.fetch("A", get("fault"))
        assert await pool.fetch("A", get("quick")) is DONE
        await pool.close()

    run(main)


def test_close_answers_everybody_and_is_bounded() -> None:
    async def main() -> None:
        gate = Gate()
        pool = FetchPool(gate, threads=1)
        running = asyncio.create_task(pool.fetch("A", get("hang")))
        await until(lambda: gate.hanging == 1)
        waiting = asyncio.create_task(pool.fetch("A", get("quick")))
        await asyncio.sleep(0)
        await pool.close(grace=0.05)
        assert gate.closed
        assert await running is DONE
        with pytest.raises(Overloaded):
            await waiting
        with pytest.raises(Overloaded):
            await pool.fetch("A", get("quick"))

    run(main)


def test_with_a_real_fetcher_closing_cuts_a_hung_origin() -> None:
    async def main() -> None:
        with Origin({"/": reply(body=b"<Response/>"), "/hang": [HANG]}) as origin:
            pool = FetchPool(Fetcher(allow=["127.0.0.1"]))
            assert (await pool.fetch("A", get(origin.url()))).body == b"<Response/>"
            hung = asyncio.create_task(pool.fetch("A", get(origin.url("/hang"))))
            await until(lambda: len(origin.received) == 2)
            await pool.close(grace=0)
            with pytest.raises(Overloaded):
                await hung

    run(main)

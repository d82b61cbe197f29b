"""Work that is done again and again until it is stopped."""

import asyncio

from foundation.periodic import Periodic


def test_it_goes_on_after_a_fault_and_ends_when_it_is_stopped() -> None:
    rounds: list[int] = []

    async def run() -> None:
        done = asyncio.Event()

        async def work() -> None:
            rounds.append(len(rounds))
            if len(rounds) == 1:
                raise RuntimeError("the first round fails")
            done.set()

        periodic = Periodic("test", work, 0.001)
        periodic.start()
        await asyncio.wait_for(done.wait(), 10)
        await periodic.stop()
        stopped = len(rounds)
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(rounds) == stopped >= 2

    asyncio.run(run())


def test_one_that_never_started_stops() -> None:
    async def nothing() -> None: ...

    asyncio.run(Periodic("test", nothing, 1.0).stop())

"""The 20 ms clock."""

from __future__ import annotations

import asyncio

import pytest
from voice_peers import run, until

from callrouter.voice.media.ticker import Ticker


class Member:
    def __init__(self, fail: bool = False) -> None:
        self.times: list[float] = []
        self.fail = fail

    def tick(self, now: float) -> None:
        self.times.append(now)
        if self.fail:
            raise RuntimeError("a broken leg")


def test_a_broken_member_is_taken_out_and_the_others_go_on(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        ticker, good, bad = Ticker(), Member(), Member(fail=True)
        ticker.add(bad)
        ticker.add(good)
        await until(lambda: len(good.times) >= 5)
        assert len(bad.times) == 1
        assert len(ticker) == 1
        ticker.close()

    run(scenario())
    assert "taken out" in caplog.text


def test_ticks_are_20_ms_apart_and_end_with_the_last_member() -> None:
    async def scenario() -> None:
        ticker, member = Ticker(), Member()
        ticker.add(member)
        await until(lambda: len(member.times) >= 5)
        steps = [b - a for a, b in zip(member.times[:4], member.times[1:5], strict=True)]
        assert all(abs(step / 0.02 - round(step / 0.02)) < 1e-6 for step in steps)
        ticker.discard(member)
        await until(lambda: ticker._timer is None)
        ticker.add(member)
        count = len(member.times)
        await until(lambda: len(member.times) > count)
        ticker.close()

    run(scenario())


def test_a_long_stall_is_skipped_not_caught_up() -> None:
    async def scenario() -> None:
        ticker, member = Ticker(), Member()
        ticker.add(member)
        await until(lambda: member.times)
        loop = asyncio.get_running_loop()
        end = loop.time() + 0.3
        while loop.time() < end:  # the process had no CPU
            pass
        before = len(member.times)
        await until(lambda: len(member.times) >= before + 3)
        assert member.times[-1] - member.times[before - 1] > 0.25
        ticker.close()

    run(scenario())

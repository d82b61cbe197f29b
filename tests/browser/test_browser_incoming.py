"""The official SDK takes, refuses and misses calls that come from a phone (PR-50 to PR-58)."""

from __future__ import annotations

import asyncio

from tests.browser.chromium import PATIENCE
from tests.browser.world import ALICE_HZ, CALLER, CALLER_HZ, Play, World, eventually, hears

PARAMETERS = (
    '<Dial action="/done"><Client><Identity>alice</Identity>'
    '<Parameter name="order" value="42 &amp; more"/></Client></Dial>'
)


def test_audio_flows_both_ways_and_the_client_hangs_up(play: Play) -> None:
    async def scenario(world: World) -> None:
        alice = await world.registered()
        caller, call = await world.talking(alice)
        parameters = (await call.state())["parameters"]
        assert (parameters["From"], parameters["To"]) == (CALLER, "client:alice")
        await call.do("disconnect")
        assert (await asyncio.wait_for(caller.ended, PATIENCE)).by == "router"
        done = await world.asked("/done")
        assert (done["DialCallStatus"], done["DialBridged"]) == ("completed", "true")
        await world.over()
        assert (await alice.do("device")) | {"identity": ""} == {
            "state": "registered",
            "identity": "",
            "busy": False,
            "calls": 0,
        }

    play(scenario)


def test_the_caller_hangs_up(play: Play) -> None:
    async def scenario(world: World) -> None:
        alice = await world.registered()
        caller, call = await world.talking(alice)
        await caller.hangup()
        await call.wait("disconnect")
        await world.over()
        assert {status for status, _ in world.calls().values()} == {"completed"}

    play(scenario)


def test_custom_parameters_reach_the_client(play: Play) -> None:
    async def scenario(world: World) -> None:
        alice = await world.registered()
        await world.caller(world.number(PARAMETERS))
        call = await alice.incoming()
        assert (await call.state())["custom"] == {"order": "42 & more"}

    play(scenario)


def test_digits_reach_the_router(play: Play) -> None:
    async def scenario(world: World) -> None:
        alice = await world.registered()
        caller, call = await world.talking(alice)
        await call.do("press", "12#*")
        await world.until(lambda: "presses 12#*" in world.timeline(), "digits in the timeline")
        await world.until(lambda: caller.report().digits_received == "12#*", "the phone gets them too")

    play(scenario)


def test_the_client_rejects(play: Play) -> None:
    async def scenario(world: World) -> None:
        alice = await world.registered()
        await world.caller(world.number())
        call = await alice.incoming()
        await call.do("reject")
        assert (await world.asked("/done"))["DialCallStatus"] == "busy"

    play(scenario)


def test_two_tabs_ring_and_the_second_is_cancelled(play: Play) -> None:
    async def scenario(world: World) -> None:
        first, second = await world.registered(), await world.registered()
        caller = await world.caller(world.number())
        taken, missed = await first.incoming(), await second.incoming()
        await taken.do("accept")
        await taken.wait("accept")
        await missed.wait("cancel")
        assert (await missed.state())["status"] == "closed"
        await taken.hears(CALLER_HZ)
        await hears(caller, ALICE_HZ)

    play(scenario)


def test_two_tabs_answer_at_once_and_one_wins(play: Play) -> None:
    async def scenario(world: World) -> None:
        tabs = [await world.registered(), await world.registered()]
        caller = await world.caller(world.number())
        calls = [await tab.incoming() for tab in tabs]
        await asyncio.gather(*(call.do("accept") for call in calls))

        async def one_lost() -> bool:
            return "closed" in [(await call.state())["status"] for call in calls]

        await eventually(one_lost, "one of two answers is refused")
        (winner,) = [call for call in calls if (await call.state())["status"] == "open"]
        await winner.hears(CALLER_HZ)
        await hears(caller, ALICE_HZ)

    play(scenario)


def test_the_caller_leaves_before_the_answer(play: Play) -> None:
    async def scenario(world: World) -> None:
        alice = await world.registered()
        caller = await world.caller(world.number())
        call = await alice.incoming()
        await caller.hangup()
        await call.wait("cancel")
        await world.over()
        assert {status for status, _ in world.calls().values()} <= {"canceled", "no-answer", "completed"}

    play(scenario)


def test_an_ignored_call_ends_as_no_answer(play: Play) -> None:
    async def scenario(world: World) -> None:
        alice = await world.registered()
        dial = '<Dial action="/done" timeout="5"><Client>alice</Client></Dial>'
        await world.caller(world.number(dial))
        call = await alice.incoming()
        await call.do("ignore")
        assert (await world.asked("/done"))["DialCallStatus"] == "no-answer"

    play(scenario)


def test_a_device_on_a_call_is_busy(play: Play) -> None:
    async def scenario(world: World) -> None:
        alice = await world.registered()
        _, call = await world.talking(alice)
        await world.caller(world.number())
        assert (await world.asked("/done"))["DialCallStatus"] in ("busy", "no-answer")
        await call.hears(CALLER_HZ, patience=3)

    play(scenario)


def test_a_closed_tab_ends_its_call(play: Play) -> None:
    async def scenario(world: World) -> None:
        alice = await world.registered()
        caller, _ = await world.talking(alice)
        await alice.close()
        await asyncio.wait_for(caller.ended, PATIENCE)
        await world.until(lambda: not world.alice().available, "alice is gone")

    play(scenario)


def test_a_crashed_tab_loses_its_call_after_the_grace(play: Play) -> None:
    async def scenario(world: World) -> None:
        alice = await world.registered()
        caller, _ = await world.talking(alice)
        await alice.crash()
        await asyncio.wait_for(caller.ended, PATIENCE)

    play(scenario)


def test_another_device_takes_the_call_over_by_its_connect_token(play: Play) -> None:
    async def scenario(world: World) -> None:
        alice = await world.registered()
        caller = await world.caller(world.number())
        ringing = await alice.incoming()
        other = await world.tab("alice")
        taken = await other.connect(connectToken=(await ringing.state())["connectToken"])
        await taken.wait("accept")
        await ringing.wait("cancel")
        await taken.hears(CALLER_HZ)
        await hears(caller, ALICE_HZ)
        await taken.do("disconnect")
        await asyncio.wait_for(caller.ended, PATIENCE)

    play(scenario)

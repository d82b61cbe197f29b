"""Calls in the official SDK outlive what happens to our processes (reliability-security I1 to I6; PR-40)."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from tests.browser.chromium import PATIENCE
from tests.browser.world import ALICE_HZ, CALLER_HZ, Play, World, hears


@contextmanager
def frozen(world: World, name: str) -> Iterator[None]:
    """The process stands still, as in a long stall."""
    process = world.deployment.processes[name]
    os.kill(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process.pid, signal.SIGCONT)


def test_the_presence_server_is_killed_in_a_call(play: Play) -> None:
    async def scenario(world: World) -> None:
        alice = await world.registered()
        caller, call = await world.talking(alice)
        last_seen = world.alice().endpoints[0].last_seen
        world.deployment.kill("presence")
        await call.wait("reconnecting")
        await hears(caller, ALICE_HZ, patience=3)  # audio does not need signalling
        await asyncio.to_thread(world.deployment.start, "presence")
        await call.wait("reconnected")
        await call.hears(CALLER_HZ)
        await world.until(lambda: world.alice().endpoints[0].last_seen > last_seen, "alice registers again")
        assert world.alice().status == "busy"
        await call.do("disconnect")
        await asyncio.wait_for(caller.ended, PATIENCE)
        await world.over()
        await world.until(lambda: world.alice().available, "alice is free again")
        assert world.asked_times("/done") == 1

    play(scenario)


def test_the_presence_server_is_stopped_and_started_in_a_call(play: Play) -> None:
    async def scenario(world: World) -> None:
        alice = await world.registered()
        caller, call = await world.talking(alice)
        await asyncio.to_thread(world.deployment.stop, "presence")
        await asyncio.to_thread(world.deployment.start, "presence")
        await call.wait("reconnected")
        await hears(caller, ALICE_HZ, patience=3)
        await caller.hangup()
        await call.wait("disconnect")

    play(scenario)


def test_the_presence_server_is_killed_while_a_call_rings(play: Play) -> None:
    async def scenario(world: World) -> None:
        alice = await world.registered()
        caller = await world.caller(world.number())
        await alice.incoming()
        world.deployment.kill("presence")
        await asyncio.to_thread(world.deployment.start, "presence")
        call = await alice.incoming()  # the SDK has dropped the first one
        await call.do("accept")
        await call.wait("accept")
        await call.hears(CALLER_HZ)
        await hears(caller, ALICE_HZ)

    play(scenario)


def test_the_router_is_killed_in_a_call(play: Play) -> None:
    async def scenario(world: World) -> None:
        alice = await world.registered()
        caller, call = await world.talking(alice)
        world.deployment.kill("router")
        await hears(caller, ALICE_HZ, patience=3)
        await call.hears(CALLER_HZ, patience=3)
        await asyncio.to_thread(world.deployment.start, "router")
        await hears(caller, ALICE_HZ, patience=3)
        await call.do("disconnect")
        await asyncio.wait_for(caller.ended, PATIENCE)
        await world.over()
        assert {status for status, _ in world.calls().values()} == {"completed"}
        await world.asked("/status", CallStatus="completed")
        assert (world.asked_times("/done"), world.asked_times("/status", CallStatus="completed")) == (1, 1)

    play(scenario)


def test_the_client_hangs_up_while_the_router_is_away(play: Play) -> None:
    async def scenario(world: World) -> None:
        alice = await world.registered()
        caller, call = await world.talking(alice)
        world.deployment.kill("router")
        await call.do("disconnect")
        await asyncio.to_thread(world.deployment.start, "router")
        await asyncio.wait_for(caller.ended, 30)
        await world.over()
        assert world.asked_times("/done") == 1

    play(scenario)


def test_the_token_is_refreshed_in_a_call(play: Play) -> None:
    async def scenario(world: World) -> None:
        alice = await world.registered()
        caller, call = await world.talking(alice)
        await alice.do("updateToken", world.tenant.token("alice"))
        await call.hears(CALLER_HZ, patience=3)
        await hears(caller, ALICE_HZ, patience=3)
        await call.do("disconnect")
        await asyncio.wait_for(caller.ended, PATIENCE)

    play(scenario)


def test_the_token_ends_in_a_call_and_the_call_goes_on(play: Play) -> None:
    async def scenario(world: World) -> None:
        alice = await world.registered(ttl=10, options={"tokenRefreshMs": 0})
        caller, call = await world.talking(alice)
        await alice.wait("unregistered")
        assert (await call.state())["status"] == "open"
        await hears(caller, ALICE_HZ, patience=3)
        await call.do("disconnect")
        await asyncio.wait_for(caller.ended, PATIENCE)

    play(scenario)


def test_a_voice_node_that_stalls_gets_its_audio_back_by_an_ice_restart(play: Play) -> None:
    async def scenario(world: World) -> None:
        alice = await world.registered()
        caller, call = await world.talking(alice)
        with frozen(world, "voice"):
            await call.wait("reconnecting", 30)
        await call.wait("reconnected", 30)
        await call.hears(CALLER_HZ)
        await hears(caller, ALICE_HZ)

    play(scenario)


def test_a_killed_voice_node_ends_the_call_for_both(play: Play) -> None:
    async def scenario(world: World) -> None:
        alice = await world.registered()
        caller, call = await world.talking(alice)
        world.deployment.kill("voice")
        await call.wait("disconnect")
        await asyncio.wait_for(caller.ended, PATIENCE)
        await world.over()
        assert (await alice.do("device"))["busy"] is False

    play(scenario)


def test_the_client_hangs_up_while_the_presence_server_is_away(play: Play) -> None:
    async def scenario(world: World) -> None:
        alice = await world.registered()
        caller, call = await world.talking(alice)
        world.deployment.kill("presence")
        await call.do("disconnect")
        await asyncio.to_thread(world.deployment.start, "presence")
        await asyncio.wait_for(caller.ended, 30)
        await world.over()
        assert world.asked_times("/done") == 1

    play(scenario)


def test_the_client_vanishes_while_both_servers_are_away(play: Play) -> None:
    async def scenario(world: World) -> None:
        alice = await world.registered()
        caller, _ = await world.talking(alice)
        world.deployment.kill("router")
        world.deployment.kill("presence")
        await alice.close()
        await asyncio.to_thread(world.deployment.start, "router", "presence")
        await asyncio.wait_for(caller.ended, 40)

    play(scenario)

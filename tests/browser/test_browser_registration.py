"""The official SDK registers, and what its token allows or ends (PR-1 to PR-20)."""

from __future__ import annotations

import pytest

from tests.browser.chromium import PageFault
from tests.browser.world import Play, World

EXPIRED = 20104
"""AccessTokenExpired, as the SDK names our 31205 (voice-sdk-protocol 5)."""


def test_a_device_registers_leaves_and_comes_back(play: Play) -> None:
    async def scenario(world: World) -> None:
        alice = await world.registered()
        assert await alice.do("device") == {
            "state": "registered",
            "identity": "alice",
            "busy": False,
            "calls": 0,
        }
        there = world.alice()
        assert (there.available, there.capabilities, len(there.endpoints)) == (True, ("voice",), 1)
        await alice.do("unregister")
        assert (await alice.state(), world.alice().available) == ("unregistered", False)
        await alice.do("register")
        assert (await alice.state(), world.alice().available) == ("registered", True)

    play(scenario)


def test_a_closed_tab_is_offline(play: Play) -> None:
    async def scenario(world: World) -> None:
        alice = await world.registered()
        await alice.close()
        await world.until(lambda: not world.alice().available, "alice is offline")

    play(scenario)


def test_a_bad_signature_is_refused_at_once_and_writes_nothing(play: Play) -> None:
    async def scenario(world: World) -> None:
        world.tenant.key_secret = "another secret than the key's own"
        alice = await world.tab("alice")
        with pytest.raises(PageFault):
            await alice.do("register")
        assert (await alice.wait("error"))["code"] == 53000
        assert (await alice.state(), world.alice().endpoints) == ("unregistered", ())

    play(scenario)


def test_a_token_that_may_not_receive_calls_does_not_register(play: Play) -> None:
    async def scenario(world: World) -> None:
        alice = await world.tab("alice", incoming=False)
        with pytest.raises(PageFault):
            await alice.do("register")
        assert await alice.state() == "unregistered"
        assert not world.alice().available

    play(scenario)


def test_a_token_is_refreshed_before_it_ends(play: Play) -> None:
    async def scenario(world: World) -> None:
        alice = await world.registered(ttl=6, options={"tokenRefreshMs": 4000})
        await alice.wait("tokenWillExpire")
        await alice.do("updateToken", world.tenant.token("alice"))
        with pytest.raises(PageFault, match="no unregistered within"):
            await alice.wait("unregistered", 6.0)
        assert (await alice.state(), world.alice().available) == ("registered", True)

    play(scenario)


def test_a_token_that_ends_on_a_live_socket_ends_the_registration(play: Play) -> None:
    async def scenario(world: World) -> None:
        alice = await world.registered(ttl=3, options={"tokenRefreshMs": 0})
        assert (await alice.wait("error"))["code"] == EXPIRED
        await alice.wait("unregistered")
        await world.until(lambda: not world.alice().available, "alice is offline")
        await alice.wait("registered")  # the first one, from before
        await alice.do("updateToken", world.tenant.token("alice"))
        await alice.wait("registered")
        assert world.alice().available

    play(scenario)

"""The control port's client: it comes back, says in time that it cannot, and keeps the order of events."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from voice_peers import TOKEN, Events, run, settings, until, voice_node

from callrouter.voice.client import VoiceClient, VoiceEvent, VoiceUnavailable
from callrouter.voice.node import VoiceNode


def test_client_survives_a_node_restart() -> None:
    async def scenario() -> None:
        first = VoiceNode(settings())
        await first.start()
        log: list[Any] = []

        async def up(legs: Any) -> None:
            log.append(("up", tuple(legs)))

        async def down() -> None:
            log.append("down")

        client = VoiceClient(first.control_address, TOKEN, Events().take, on_up=up, on_down=down)
        await client.start()
        await client.request("leg.create", leg="A", kind="webrtc")
        await first.close()
        await until(lambda: not client.up)
        with pytest.raises(VoiceUnavailable, match=r"did not answer ping within 0\.2 s"):
            await client.request("ping", timeout=0.2)
        waiting = asyncio.create_task(client.request("node.legs", timeout=10))
        second = VoiceNode(settings(control_address=first.control_address))
        await second.start()
        assert (await waiting)["legs"] == []
        await until(lambda: log == [("up", ()), "down", ("up", ())])
        assert client.node == second.id
        await client.close()
        await second.close()

    run(scenario())


def test_client_without_a_node_says_so_in_time() -> None:
    """I6: every wait has an end."""

    async def scenario() -> None:
        client = VoiceClient(("127.0.0.1", 1), TOKEN, Events().take, timeout=0.1)
        await client.start()
        assert not client.up
        with pytest.raises(VoiceUnavailable):
            await client.request("ping")
        await client.close()

    run(scenario())


def test_client_with_a_wrong_token_stays_out() -> None:
    async def scenario() -> None:
        async with voice_node() as (node, _, _events):
            client = VoiceClient(node.control_address, "w" * 20, Events().take, owner="x", timeout=0.2)
            await client.start()
            assert not client.up
            await client.close()

    run(scenario())


def test_failed_event_comes_again_and_order_per_leg_is_kept() -> None:
    async def scenario() -> None:
        async with voice_node() as (node, client, _):
            await client.close()
            fails, seen = [True] * 4, []

            async def take(event: VoiceEvent) -> None:
                if event.leg == "A" and fails:
                    fails.pop()
                    raise RuntimeError("the database is away")
                seen.append((event.leg, event.type))

            router = VoiceClient(node.control_address, TOKEN, take)
            await router.start()
            for leg in "AB":
                await router.request("leg.create", leg=leg, kind="webrtc")
                await router.request("leg.close", leg=leg)
            await until(lambda: len(fails) == 1)
            await until(lambda: ("B", "leg.closed") in seen)
            assert node.stats()["unacknowledged_events"] == 1
            await router.close()
            router = VoiceClient(node.control_address, TOKEN, take)
            await router.start()
            await until(lambda: ("A", "leg.closed") in seen)
            await until(lambda: node.stats()["unacknowledged_events"] == 0)
            await router.close()

    run(scenario())

"""An app that is pointed at us, with sounds of its own, tells nobody else anything (voice-sdk-protocol 8 and 9)."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from tests.browser.world import ALICE_HZ, Launch, Play, World


def test_telemetry_comes_to_us_and_nobody_else_is_asked(play: Play, launch: Launch) -> None:
    async def scenario(world: World) -> None:
        browser = await asyncio.to_thread(launch, ALICE_HZ)
        alice = await world.registered(browser=browser)
        caller, call = await world.talking(alice)
        await caller.hangup()
        await call.wait("disconnect")
        await asyncio.sleep(1)  # the last posts are on their way
        traffic = await browser.traffic()
        names = {urlsplit(request["url"]).hostname for request in traffic} - {None}
        assert {name for name in names if name != "localhost" and not name.endswith(".localhost")} == set()
        posts = [request for request in traffic if "/v4/Endpoint" in request["url"]]
        assert posts
        assert {request["outcome"] for request in posts} <= {200, 204}

    play(scenario)

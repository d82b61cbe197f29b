"""A lost path is a silence too: the router hears of it once, and ends a call that nobody else ends (I6)."""

from __future__ import annotations

import asyncio

from voice_peers import HandBrowser, run, voice_node


def test_a_path_that_stays_lost_is_reported_as_silence_once() -> None:
    async def scenario() -> None:
        async with voice_node(media_timeout=0.4) as (_, client, events):
            browser = await HandBrowser.open()
            offer = browser.sdp()
            browser.take((await client.request("leg.create", leg="W", kind="webrtc", sdp=offer))["sdp"])
            await browser.connect()
            await events.wait("leg.up", "W")
            browser.dtls.close()
            browser.flush()
            await events.wait("leg.lost", "W")
            await events.wait("leg.media_timeout", "W")
            await asyncio.sleep(1.0)  # a second report would come every watch
            assert len(events.of("leg.media_timeout", "W")) == 1

    run(scenario())


def test_a_path_that_never_came_is_reported_too() -> None:
    async def scenario() -> None:
        async with voice_node(setup_timeout=0.3, media_timeout=0.3) as (_, client, events):
            browser = await HandBrowser.open()
            await client.request("leg.create", leg="W", kind="webrtc", sdp=browser.sdp())
            assert (await events.wait("leg.lost", "W")).data["reason"] == "ice_timeout"
            silence = await events.wait("leg.media_timeout", "W")
            assert 0.3 <= silence.data["seconds"] < 5

    run(scenario())

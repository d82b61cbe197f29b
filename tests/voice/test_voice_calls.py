"""Whole calls through the node: real sockets, and audio judged by its frequency at both far ends."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import uvloop
from voice_peers import Browser, Phone, run, voice_node

from callrouter.voice.client import VoiceClient


def test_phone_to_phone() -> None:
    async def scenario() -> None:
        async with voice_node() as (_, client, events):
            one, two = await Phone.open(600), await Phone.open(900)
            one.call((await client.request("leg.create", leg="CA1", kind="rtp", sdp=one.sdp()))["sdp"])
            offer = (await client.request("leg.create", leg="CA2", kind="rtp"))["sdp"]
            await client.request("leg.accept", leg="CA2", sdp=two.sdp())
            two.call(offer)
            await events.wait("leg.up", "CA2")
            await client.request("bridge.make", legs=["CA1", "CA2"])
            await asyncio.gather(one.hears(900), two.hears(600))
            one.close()
            two.close()

    run(scenario())


@pytest.mark.parametrize("browser_offers", [True, False])
@pytest.mark.parametrize("loop", [None, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_phone_to_browser(browser_offers: bool, loop: Any) -> None:
    async def scenario() -> None:
        async with voice_node() as (_, client, events):
            phone, browser = await Phone.open(600), Browser(1000)
            phone.call((await client.request("leg.create", leg="CA1", kind="rtp", sdp=phone.sdp()))["sdp"])
            await connect(client, browser, "CA2", browser_offers)
            await events.wait("leg.up", "CA2")
            await client.request("bridge.make", legs=["CA1", "CA2"])
            await asyncio.gather(phone.hears(1000), browser.hears(600))
            stats = await client.request("leg.stats", leg="CA2")
            assert stats["packets_received"] > 20
            assert stats["packets_lost"] == 0
            await browser.close()
            phone.close()

    run(scenario(), loop=loop)


def test_browser_to_browser() -> None:
    async def scenario() -> None:
        async with voice_node() as (_, client, events):
            one, two = Browser(500), Browser(1000)
            await connect(client, one, "CA1", True)
            await connect(client, two, "CA2", False)
            await events.wait("leg.up", "CA1")
            await events.wait("leg.up", "CA2")
            await client.request("bridge.make", legs=["CA1", "CA2"])
            await asyncio.gather(one.hears(1000), two.hears(500))
            await asyncio.gather(one.close(), two.close())

    run(scenario())


async def connect(client: VoiceClient, browser: Browser, leg: str, browser_offers: bool) -> None:
    if browser_offers:
        answer = await client.request("leg.create", leg=leg, kind="webrtc", sdp=await browser.offer())
        await browser.take(answer["sdp"])
    else:
        offer = await client.request("leg.create", leg=leg, kind="webrtc")
        await client.request("leg.accept", leg=leg, sdp=await browser.answer(offer["sdp"]))

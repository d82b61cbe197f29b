"""A browser's leg that loses its network, moves, or gets new keys: ICE restarts, consent, nodes that start anew."""

from __future__ import annotations

import asyncio

from test_voice_browser_leg import hand, heard, stats
from voice_peers import CERTIFICATE, Browser, HandBrowser, Phone, run, until, voice_node

from callrouter.voice.legs.dtls import Dtls


def test_ice_restart_keeps_keys_and_moves() -> None:
    """voice-sdk-protocol 6: only ufrag, password and address change."""

    async def scenario() -> None:
        async with voice_node() as (_, client, events):
            browser = await hand(client)
            await browser.connect()
            await events.wait("leg.up", "W")
            browser.speak(count=2)
            await heard(client, 2)
            again = await client.request("leg.restart", leg="W", sdp=browser.sdp())
            assert f"a=ice-ufrag:{browser.their_ufrag}\r\n" in again["sdp"], (
                "the same credentials: nothing new"
            )
            old = browser.check_message()
            browser.ufrag, browser.pwd = "other", "q" * 24
            answer = await client.request("leg.restart", leg="W", sdp=browser.sdp())
            assert answer["created"] is False
            before = browser.their_ufrag
            browser.take(answer["sdp"])
            assert browser.their_ufrag != before
            browser.speak()  # audio does not wait for the new path
            await heard(client, 3)
            await browser.move()
            answers = len(browser.answers)
            browser.send(old)
            await browser.check()
            browser.speak()
            await heard(client, 4)
            port = browser.transport.get_extra_info("sockname")[1]
            assert (await stats(client))["far_end"] == f"127.0.0.1:{port}"
            count = len(browser.received)
            await until(lambda: len(browser.received) > count)
            assert len(browser.answers) == answers + 1, "a check with the old password is nobody's"
            assert len(events.of("leg.up")) == 1

    run(scenario())


def test_copied_check_does_not_move_the_audio() -> None:
    async def scenario() -> None:
        async with voice_node() as (_, client, events):
            browser = await hand(client)
            await browser.connect()
            await events.wait("leg.up", "W")
            browser.speak()
            await heard(client, 1)
            place = (await stats(client))["far_end"]
            thief = await HandBrowser.open()
            thief.target = browser.target
            seen = browser.check_message()
            await browser.check(seen)
            thief.send(seen)  # replayed
            await thief.check(browser.check_message())  # and even a fresh one, without keys
            browser.speak()
            await heard(client, 2)
            assert (await stats(client))["far_end"] == place

    run(scenario())


def test_consent_loss_and_return() -> None:
    """RFC 7675 seen from a lite agent: no checks for a while is a loss; new checks bring the leg back."""

    async def scenario() -> None:
        async with voice_node(consent_timeout=0.5) as (_, client, events):
            browser = await hand(client)
            await browser.connect()
            await events.wait("leg.up", "W")
            lost = await events.wait("leg.lost", "W")
            assert lost.data["reason"] == "consent"
            await browser.check()
            await events.wait("leg.up", "W", 2)

    run(scenario())


def test_new_certificate_of_the_browser_means_new_keys() -> None:
    """Another Device takes the call over by its connect token: a real offer for the same leg."""

    async def scenario() -> None:
        async with voice_node() as (_, client, events):
            first = await hand(client)
            await first.connect()
            await events.wait("leg.up", "W")
            second = Browser(1000)
            answer = await client.request("leg.restart", leg="W", sdp=await second.offer())
            assert answer["created"] is False
            await second.take(answer["sdp"])
            await events.wait("leg.up", "W", 2)
            phone = await Phone.open(600)
            phone.call((await client.request("leg.create", leg="P", kind="rtp", sdp=phone.sdp()))["sdp"])
            await client.request("bridge.make", legs=["W", "P"])
            await asyncio.gather(phone.hears(1000), second.hears(600))
            await second.close()
            phone.close()

    run(scenario())


def fingerprint(sdp: str) -> str:
    return sdp.split("a=fingerprint:sha-256 ")[1].split("\r\n")[0]


def test_new_keys_come_with_a_new_certificate_of_ours() -> None:
    """Chromium shakes hands again only if our fingerprint is another."""

    async def scenario() -> None:
        async with voice_node() as (_, client, events):
            offer = (await client.request("leg.create", leg="V", kind="webrtc"))["sdp"]
            browser = await hand(client)
            await browser.connect()
            await events.wait("leg.up", "W")
            browser.dtls.close()
            browser.flush()
            await events.wait("leg.lost", "W")
            lost = (await client.request("leg.restart", leg="W", sdp=browser.sdp()))["sdp"]
            await client.request("leg.close", leg="W")
            gone = (await client.request("leg.restart", leg="W", sdp=browser.sdp()))["sdp"]
            assert len({fingerprint(sdp) for sdp in (offer, lost, gone)}) == 3

    run(scenario())


def test_restart_after_a_loss_needs_a_new_check() -> None:
    async def scenario() -> None:
        async with voice_node(consent_timeout=0.3, setup_timeout=0.3) as (_, client, events):
            browser = await hand(client)
            await browser.connect()
            await events.wait("leg.lost", "W")
            browser.ufrag = "other"
            browser.take((await client.request("leg.restart", leg="W", sdp=browser.sdp()))["sdp"])
            assert not (await stats(client))["up"]
            await browser.check()
            await events.wait("leg.up", "W", 2)

    run(scenario())


def test_restart_of_a_leg_that_is_up_must_be_followed_by_checks() -> None:
    async def scenario() -> None:
        async with voice_node(consent_timeout=0.4) as (_, client, events):
            browser = await hand(client)
            await browser.connect()
            await events.wait("leg.up", "W")
            browser.ufrag = "other"
            await client.request("leg.restart", leg="W", sdp=browser.sdp())
            assert (await events.wait("leg.lost", "W")).data["reason"] == "consent"
            assert len(events.of("leg.up")) == 1

    run(scenario())


def test_an_answer_that_comes_as_a_restart_is_still_the_answer() -> None:
    """Its device lost the signalling after it had answered, and says it again when it is back (PR-81)."""

    async def scenario() -> None:
        async with voice_node() as (_, client, events):
            offer = (await client.request("leg.create", leg="W", kind="webrtc"))["sdp"]
            browser = await HandBrowser.open()
            browser.take(offer)
            browser.setup = "active"
            assert (await client.request("leg.restart", leg="W", sdp=browser.sdp()))["sdp"] == offer
            await browser.connect()
            await events.wait("leg.up", "W")

    run(scenario())


def test_restarted_node_builds_the_leg_anew() -> None:
    """voice-sdk-protocol 6: the client's reinvite meets a node that never saw the call."""

    async def scenario() -> None:
        async with voice_node() as (_, client, events):
            browser = await hand(client)
            await browser.connect()
            await events.wait("leg.up", "W")
            first = certificate(browser)
        async with voice_node() as (_, client, events):
            browser.dtls = Dtls(CERTIFICATE)
            answer = await client.request("leg.restart", leg="W", sdp=browser.sdp())
            assert answer["created"] is True
            browser.take(answer["sdp"])
            await browser.connect()
            await events.wait("leg.up", "W")
            assert certificate(browser) != first

    run(scenario())


def certificate(browser: HandBrowser) -> bytes:
    found = browser.dtls._connection.get_peer_certificate(as_cryptography=True)
    assert found is not None
    return found.signature

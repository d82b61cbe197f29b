"""Browser legs, datagram by datagram: checks, fingerprints, restarts, consent, moves."""

from __future__ import annotations

import asyncio
from typing import Any

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st
from voice_peers import HandBrowser, Phone, run, until, voice_node

from callrouter.voice.client import VoiceClient, VoiceError
from callrouter.voice.legs.dtls import DtlsState


async def hand(client: VoiceClient, leg: str = "W") -> HandBrowser:
    browser = await HandBrowser.open()
    browser.take((await client.request("leg.create", leg=leg, kind="webrtc", sdp=browser.sdp()))["sdp"])
    return browser


async def stats(client: VoiceClient, leg: str = "W") -> dict[str, Any]:
    return await client.request("leg.stats", leg=leg)


async def heard(client: VoiceClient, count: int, leg: str = "W") -> None:
    async with asyncio.timeout(5):
        while (await stats(client, leg))["packets_received"] < count:
            await asyncio.sleep(0.02)


def test_wrong_fingerprint_never_comes_up() -> None:
    """A man in the middle has another certificate than the one in the signalled SDP."""

    async def scenario() -> None:
        async with voice_node() as (_, client, events):
            browser = await HandBrowser.open()
            browser.fingerprint = ":".join(["AA"] * 32)
            browser.take(
                (await client.request("leg.create", leg="W", kind="webrtc", sdp=browser.sdp()))["sdp"]
            )
            await browser.connect()
            lost = await events.wait("leg.lost", "W")
            assert lost.data["reason"] == "dtls_failed"
            assert "fingerprint" in lost.data["message"]
            browser.speak()
            await asyncio.sleep(0)
            assert not (await stats(client))["up"]
            assert not events.of("leg.up")

    run(scenario())


def test_wrong_password_and_unknown_ufrag() -> None:
    async def scenario() -> None:
        async with voice_node() as (node, client, _events):
            browser = await hand(client)
            answer = await browser.check(browser.check_message(pwd="wrong" * 5))
            assert answer.error_code == 401
            browser.send(browser.check_message(username="nobody:hand"))
            browser.send(b"\x16\xfe\xfd" + bytes(30))  # a handshake from an address without a check
            browser.send(b"\x80\x00" + bytes(170))
            await until(lambda: node.stats()["stray_datagrams"] == 3)
            assert (await stats(client))["far_end"] is None
            assert len(browser.answers) == 1

    run(scenario())


@pytest.mark.parametrize("setup", ["active", "passive"])
def test_both_dtls_roles_when_we_offer(setup: str) -> None:
    async def scenario() -> None:
        async with voice_node() as (_, client, events):
            browser = await HandBrowser.open()
            offer = (await client.request("leg.create", leg="W", kind="webrtc"))["sdp"]
            assert "a=setup:actpass\r\n" in offer
            browser.take(offer)
            browser.setup, browser.their_setup = setup, "passive" if setup == "active" else "active"
            await client.request("leg.accept", leg="W", sdp=browser.sdp())
            await browser.connect()
            await events.wait("leg.up", "W")
            browser.speak(count=3)
            await heard(client, 3)
            await until(lambda: len(browser.received) > 3)

    run(scenario())


def test_browser_may_be_faster_than_its_answer() -> None:
    """Checks and the first handshake flight arrive before the signalled SDP: they count once it is there."""

    async def scenario() -> None:
        async with voice_node() as (_, client, events):
            browser = await HandBrowser.open()
            browser.take((await client.request("leg.create", leg="W", kind="webrtc"))["sdp"])
            await browser.check()
            browser.dtls.start(server=False)
            browser.flush()
            await browser.check()  # answered in order: the flight before it has arrived
            assert browser.dtls.state is DtlsState.SHAKING
            browser.setup = "active"
            await client.request("leg.accept", leg="W", sdp=browser.sdp())
            await events.wait("leg.up", "W", seconds=0.9)  # sooner than the flight's repetition

    run(scenario())


def test_only_the_accepted_browser_of_one_offer_gets_in() -> None:
    """I11: the same offer rang in two tabs and both answered; the loser's datagrams must not spoil the call."""

    async def scenario() -> None:
        async with voice_node() as (node, client, events):
            offer = (await client.request("leg.create", leg="W", kind="webrtc"))["sdp"]
            loser, winner = await HandBrowser.open(), await HandBrowser.open()
            loser.ufrag = "late"
            for tab in (loser, winner):
                tab.take(offer)
                await tab.check()
                tab.dtls.start(server=False)
                tab.flush()
                await tab.check()
            winner.setup = loser.setup = "active"
            await client.request("leg.accept", leg="W", sdp=winner.sdp())
            await events.wait("leg.up", "W")
            assert (await loser.check()).error_code == 401
            strays = node.stats()["stray_datagrams"]
            loser.send(b"\x16\xfe\xfd" + bytes(30))
            await until(lambda: node.stats()["stray_datagrams"] == strays + 1)
            with pytest.raises(VoiceError, match="has its answer"):
                await client.request("leg.accept", leg="W", sdp=loser.sdp())
            await client.request("leg.accept", leg="W", sdp=winner.sdp())
            port = winner.transport.get_extra_info("sockname")[1]
            assert (await stats(client))["far_end"] == f"127.0.0.1:{port}"
            assert not events.of("leg.lost")

    run(scenario())


def test_lost_handshake_flight_is_repeated() -> None:
    """The DTLS timer of the node, one second at first."""

    async def scenario() -> None:
        async with voice_node() as (_, client, events):
            browser = await hand(client)
            await browser.check()
            real, lost = browser.datagram_received, []

            def lossy(data: bytes, addr: Any) -> None:
                if 20 <= data[0] < 64 and not lost:
                    lost.append(data)
                    return
                real(data, addr)

            browser.datagram_received = lossy
            await browser.connect()
            await events.wait("leg.up", "W")
            assert lost

    run(scenario())


def test_replayed_and_forged_audio_is_dropped() -> None:
    async def scenario() -> None:
        async with voice_node() as (_, client, events):
            browser = await hand(client)
            await browser.connect()
            await events.wait("leg.up", "W")
            sent: list[bytes] = []
            send = browser.send
            browser.send = lambda data: (sent.append(data), send(data))[1]
            browser.speak()
            await heard(client, 1)
            send(sent[0])
            send(sent[0][:20] + bytes(len(sent[0]) - 20))
            async with asyncio.timeout(5):
                while (await stats(client))["packets_dropped"] < 2:
                    await asyncio.sleep(0.01)
            assert (await stats(client))["packets_received"] == 1

    run(scenario())


@pytest.mark.parametrize(("checked", "reason"), [(False, "ice_timeout"), (True, "dtls_timeout")])
def test_set_up_has_an_end(checked: bool, reason: str) -> None:
    async def scenario() -> None:
        async with voice_node(setup_timeout=0.4) as (_, client, events):
            browser = await hand(client)
            if checked:
                await browser.check()
            assert (await events.wait("leg.lost", "W")).data["reason"] == reason

    run(scenario())


def test_far_end_that_closes_its_media() -> None:
    async def scenario() -> None:
        async with voice_node() as (_, client, events):
            phone = await Phone.open(600)
            phone.call((await client.request("leg.create", leg="P", kind="rtp", sdp=phone.sdp()))["sdp"])
            browser = await hand(client)
            await client.request("bridge.make", legs=["W", "P"])
            await browser.connect()
            await events.wait("leg.up", "W")
            browser.dtls.close()
            browser.flush()
            assert (await events.wait("leg.lost", "W")).data["reason"] == "far_end_closed"
            count = len(phone.received)
            await until(lambda: len(phone.received) > count + 5)
            assert phone.received[-1].payload == b"\xff" * 160, "the other side hears silence, not nothing"

    run(scenario())


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        (("111 0", "111"), "no_common_codec", "needs PCMU; it has opus"),
        (("a=ice-pwd", "a=nothing"), "bad_sdp", "ice-pwd"),
        (("a=fingerprint", "a=nothing"), "bad_sdp", "fingerprint"),
        (("a=rtcp-mux", "a=nothing"), "bad_sdp", "rtcp-mux"),
        (("UDP/TLS/RTP/SAVPF", "RTP/AVP"), "bad_sdp", "UDP/TLS/RTP/SAVPF"),
        (("m=audio", "m=video"), "bad_sdp", "no audio section"),
    ],
)
def test_unusable_offers_are_refused_and_leave_nothing(
    change: tuple[str, str], code: str, message: str
) -> None:
    async def scenario() -> None:
        async with voice_node() as (_, client, events):
            browser = await HandBrowser.open()
            with pytest.raises(VoiceError, match=message) as caught:
                await client.request("leg.create", leg="W", kind="webrtc", sdp=browser.sdp().replace(*change))
            assert caught.value.code == code
            assert (await client.request("node.legs"))["legs"] == []
            assert not events.all

    run(scenario())


def test_unknown_checks_never_raise(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with voice_node() as (_, client, _events):
            browser = await hand(client)
            good = browser.check_message()
            for place in range(len(good)):
                browser.send(good[:place] + b"\xff" + good[place + 1 :])
            browser.send(good)
            await until(lambda: any(answer.error_code is None for answer in browser.answers))
            assert browser.dtls.state is DtlsState.NEW

    run(scenario())
    assert not caplog.records


@hypothesis.settings(deadline=None, max_examples=25)
@given(
    st.lists(st.binary(max_size=60), max_size=30),
    st.sampled_from([b"", b"\x80\x00", b"\x80\xc8", b"\x16\xfe\xfd"]),
)
def test_no_datagram_from_anywhere_raises(noise: list[bytes], head: bytes) -> None:
    """Trusted or not, before the handshake or after it, on either kind of leg."""

    async def scenario() -> None:
        async with voice_node() as (node, client, events):
            browser, phone = await hand(client), await Phone.open(600)
            await client.request("leg.create", leg="P", kind="rtp", sdp=phone.sdp())
            await browser.check()
            place = browser.transport.get_extra_info("sockname")
            legs = node._board._legs
            for data in noise:
                for source in (place, ("192.0.2.1", 9)):
                    node._port.datagram_received(head + data, source)
                legs["P"].receive(head + data, phone.address)
                legs["P"].receive_report(head + data, phone.address)
            if head != b"\x16\xfe\xfd":  # noise in the handshake may spoil it, other noise must not
                await browser.connect()
                await events.wait("leg.up", "W")
            for data in noise:
                node._port.datagram_received(head + data, place)

    run(scenario())

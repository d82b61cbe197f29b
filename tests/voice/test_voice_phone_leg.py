"""Phone legs on real sockets: codecs, digits, latching, hold, silence, tones, reports."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from voice_peers import Browser, Events, Phone, run, until, voice_node

from callrouter.voice.client import VoiceClient, VoiceError
from callrouter.voice.media import dtmf, rtcp
from callrouter.voice.media.g711 import PCMU_TO_PCMA


async def phone_leg(client: VoiceClient, leg: str, hertz: int, **sdp: str) -> Phone:
    phone = await Phone.open(hertz)
    phone.call((await client.request("leg.create", leg=leg, kind="rtp", sdp=phone.sdp(**sdp)))["sdp"])
    return phone


def press(phone: Phone, key: str, keep: slice = slice(None)) -> None:
    """One key press as RFC 4733 packets, of which the network keeps some."""
    for number, payload in list(enumerate(dtmf.event_payloads(key)))[keep]:
        phone.send(payload, payload_type=101, step=0 if number else 160)
    phone.timestamp += 960


def digits(events: Events, leg: str) -> str:
    return "".join(event.data["digit"] for event in events.of("leg.dtmf", leg))


def test_alaw_phone_talks_to_mulaw_phone() -> None:
    async def scenario() -> None:
        async with voice_node() as (_, client, _events):
            one, two = await phone_leg(client, "A", 600, formats="8 101"), await phone_leg(client, "B", 900)
            one.payload_type = 8
            one.frames = [frame.translate(PCMU_TO_PCMA) for frame in one.frames]
            await client.request("bridge.make", legs=["A", "B"])
            await asyncio.gather(one.hears(900), two.hears(600))
            one.close()
            two.close()

    run(scenario())


def test_digits_in_are_told_once_each() -> None:
    """RFC 4733 in: repeated, cut short and long presses give one event each."""

    async def scenario() -> None:
        async with voice_node() as (_, client, events):
            phone = await phone_leg(client, "A", 600)
            phone.hush()
            press(phone, "1")
            press(phone, "1")
            press(phone, "5", slice(0, 1))  # only the first packet came through
            press(phone, "#", slice(6, 8))  # only two of the ends
            await events.wait("leg.dtmf", "A", 4)
            assert digits(events, "A") == "115#"
            stats = await client.request("leg.stats", leg="A")
            assert stats["digits_received"] == 4
            phone.close()

    run(scenario())


def test_digits_out_cross_to_another_phone_and_back_into_a_node() -> None:
    """RFC 4733 out, and through a bridge: what we send, another leg of ours reads."""

    async def scenario() -> None:
        async with voice_node() as (_, client, events):
            phone = await phone_leg(client, "A", 600)
            await client.request("leg.send_digits", leg="A", digits="42w#", request_id="digits-1")
            done = await events.wait("job.done", "A")
            assert done.data == {"job": "digits-1", "kind": "digits", "reason": "finished"}
            reader, told = dtmf.DigitReader(), ""
            sent = [packet for packet in phone.received if packet.payload_type == 101]
            for packet in sent:
                told += reader.read(packet.ssrc, packet.timestamp, packet.payload) or ""
            assert told == "42#"
            assert sum(packet.marker for packet in sent) == 3
            assert len({packet.timestamp for packet in sent}) == 3
            numbers = [packet.sequence for packet in phone.received]
            steps = {(b - a) & 0xFFFF for a, b in itertools.pairwise(numbers)}
            assert steps == {1}, "audio and digits are one stream"
            other = await phone_leg(client, "B", 900)
            await client.request("bridge.make", legs=["A", "B"])
            phone.hush()
            press(phone, "7")
            await until(lambda: any(packet.payload_type == 101 for packet in other.received))
            assert other.received[-1].payload[0] == 7
            phone.close()
            other.close()

    run(scenario())


def test_digits_to_a_phone_without_events_are_audible() -> None:
    async def scenario() -> None:
        async with voice_node() as (_, client, events):
            phone = await phone_leg(client, "A", 600, formats="0")
            await client.request("leg.send_digits", leg="A", digits="5")
            await events.wait("job.done", "A")
            assert {packet.payload_type for packet in phone.received} == {0}
            assert any(packet.payload != b"\xff" * 160 for packet in phone.received)
            phone.close()

    run(scenario())


def test_digits_to_a_browser_leave_no_trace_of_loss() -> None:
    async def scenario() -> None:
        async with voice_node() as (_, client, events):
            phone, browser = await phone_leg(client, "A", 600), Browser(1000)
            answer = await client.request("leg.create", leg="B", kind="webrtc", sdp=await browser.offer())
            await browser.take(answer["sdp"])
            await events.wait("leg.up", "B")
            await client.request("bridge.make", legs=["A", "B"])
            await browser.hears(600)
            press(phone, "9")
            await events.wait("leg.dtmf", "A")
            await browser.hears(600)
            report = await browser.pc.getStats()
            lost = [stat.packetsLost for stat in report.values() if stat.type == "inbound-rtp"]
            assert lost == [0]
            await browser.close()
            phone.close()

    run(scenario())


def test_ringback_until_the_bridge() -> None:
    async def scenario() -> None:
        async with voice_node() as (_, client, events):
            phone = await phone_leg(client, "A", 600)
            await client.request("leg.play", leg="A", tone="ringback", request_id="tone-1")
            await until(lambda: any(packet.payload != b"\xff" * 160 for packet in phone.received))
            other = await phone_leg(client, "B", 900)
            await client.request("bridge.make", legs=["A", "B"])
            assert (await events.wait("job.done", "A")).data["reason"] == "bridged"
            await phone.hears(900)
            await client.request("leg.play", leg="A", tone="beep", request_id="tone-2")
            assert (await events.wait("job.done", "A", 2)).data["reason"] == "finished"
            await phone.hears(900)
            await client.request("leg.play", leg="A", tone="busy")
            await client.request("leg.stop", leg="A")
            await client.request("leg.stop", leg="A")
            assert (await events.wait("job.done", "A", 3)).data["reason"] == "stopped"
            with pytest.raises(VoiceError, match="no tone 'bagpipe'; there are beep, busy"):
                await client.request("leg.play", leg="A", tone="bagpipe")
            phone.close()
            other.close()

    run(scenario())


def test_silence_flows_while_there_is_no_bridge() -> None:
    async def scenario() -> None:
        async with voice_node() as (_, client, _events):
            phone = await phone_leg(client, "A", 600)
            other = await phone_leg(client, "B", 900)
            await until(lambda: len(phone.received) > 10)
            assert {packet.payload for packet in phone.received} == {b"\xff" * 160}
            await client.request("bridge.make", legs=["A", "B"])
            await phone.hears(900)
            await client.request("bridge.break", leg="A")
            await client.request("bridge.break", legs=["A", "B"])
            await until(lambda: phone.received[-1].payload == other.received[-1].payload == b"\xff" * 160)
            stats = await client.request("leg.stats", leg="B")
            assert stats["bridged_to"] is None
            phone.close()
            other.close()

    run(scenario())


def test_only_the_latched_source_is_heard() -> None:
    """A third party that finds the port cannot speak into the call (media-sip 8)."""

    async def scenario() -> None:
        async with voice_node() as (_, client, events):
            phone, other = await phone_leg(client, "A", 600), await phone_leg(client, "B", 900)
            await client.request("bridge.make", legs=["A", "B"])
            await other.hears(600)
            intruder = await Phone.open(1500)
            intruder.target = phone.target
            for _ in range(50):
                intruder.send(b"\x00" * 160)
            press(intruder, "1")
            await until_dropped(client, "A", 58)
            assert not any(packet.payload == b"\x00" * 160 for packet in other.received)
            assert not events.of("leg.dtmf")
            stats = await client.request("leg.stats", leg="A")
            assert stats["locked_to"] == f"127.0.0.1:{phone.address[1]}"
            for peer in (phone, other, intruder):
                peer.close()

    run(scenario())


async def until_dropped(client: VoiceClient, leg: str, count: int) -> None:
    async with asyncio.timeout(5):
        while (await client.request("leg.stats", leg=leg))["packets_dropped"] < count:
            await asyncio.sleep(0.02)


def test_garbage_on_the_rtp_port_is_counted_and_dropped() -> None:
    async def scenario() -> None:
        async with voice_node() as (_, client, _events):
            phone = await phone_leg(client, "A", 600)
            phone.hush()
            for data in (b"?", b"\x80", b"\xff" * 40, b"\x80\x63" + bytes(170), bytes(2000)):
                phone.transport.sendto(data, phone.target)
            await until_dropped(client, "A", 5)
            phone.close()

    run(scenario())


def test_media_timeout_once_per_silence() -> None:
    async def scenario() -> None:
        async with voice_node(media_timeout=0.4) as (_, client, events):
            phone = await phone_leg(client, "A", 600)
            await until(lambda: len(phone.received) > 30)
            assert not events.of("leg.media_timeout")
            phone.hush()
            event = await events.wait("leg.media_timeout", "A")
            assert 0.4 <= event.data["seconds"] < 1.5
            phone.talk()
            await until_received(client, "A", 60)
            assert len(events.of("leg.media_timeout")) == 1
            phone.hush()
            await events.wait("leg.media_timeout", "A", 2)
            phone.close()

    run(scenario())


async def until_received(client: VoiceClient, leg: str, count: int) -> None:
    async with asyncio.timeout(5):
        while (await client.request("leg.stats", leg=leg))["packets_received"] < count:
            await asyncio.sleep(0.02)


def test_hold_and_resume_by_a_later_offer() -> None:
    async def scenario() -> None:
        async with voice_node() as (_, client, _events):
            phone = await phone_leg(client, "A", 600)
            await until(lambda: phone.received)
            held = await client.request("leg.restart", leg="A", sdp=phone.sdp(extra="a=sendonly\r\n"))
            assert "a=recvonly\r\n" in held["sdp"]
            assert held["created"] is False
            before = (await client.request("leg.stats", leg="A"))["packets_sent"]
            assert before
            await until_received(client, "A", 30)
            assert (await client.request("leg.stats", leg="A"))["packets_sent"] == before
            resumed = await client.request("leg.restart", leg="A", sdp=phone.sdp())
            assert "a=sendrecv\r\n" in resumed["sdp"]
            count = len(phone.received)
            await until(lambda: len(phone.received) > count)
            phone.close()

    run(scenario())


def test_no_media_timeout_while_on_hold() -> None:
    async def scenario() -> None:
        async with voice_node(media_timeout=0.3) as (_, client, events):
            phone = await phone_leg(client, "A", 600, extra="a=inactive\r\n")
            other = await phone_leg(client, "B", 900)
            phone.hush()
            other.hush()
            await events.wait("leg.media_timeout", "B")
            assert not events.of("leg.media_timeout", "A")

    run(scenario())


def test_reports_are_sent_and_read() -> None:
    """RTCP sender reports leave, receiver reports become round trip and loss."""

    async def scenario() -> None:
        async with voice_node(rtcp_interval=0.2) as (node, client, _events):
            phone = await phone_leg(client, "A", 600, extra="a=rtcp-mux\r\n")

            def reports() -> list[rtcp.Report]:
                mine = [raw for raw in phone.raw if raw[1] in (200, 201)]
                return [report for raw in mine for report in rtcp.read_reports(raw) if report.blocks]

            await until(reports)
            report = reports()[0]
            assert report.ntp_middle
            assert report.blocks[0].ssrc == phone.ssrc
            block = rtcp.ReportBlock(
                ssrc=report.ssrc,
                fraction_lost=64,
                lost=10,
                highest=1,
                jitter=1,
                last_report=report.ntp_middle,
                delay=0,
            )
            answer = rtcp.write_report(
                ssrc=phone.ssrc, unix=0, timestamp=0, packets=0, octets=0, block=block, cname="phone"
            )
            node._board._legs["A"].receive_report(answer, ("192.0.2.9", 9))
            stats = await client.request("leg.stats", leg="A")
            assert (stats["far_loss"], stats["packets_dropped"]) == (None, 1), (
                "a stranger's report is ignored"
            )
            phone.transport.sendto(answer, phone.target)
            async with asyncio.timeout(5):
                while (stats := await client.request("leg.stats", leg="A"))["far_loss"] is None:
                    await asyncio.sleep(0.02)
            assert stats["far_loss"] == 0.25
            assert 0 <= stats["round_trip_ms"] < 5000
            phone.close()

    run(scenario())

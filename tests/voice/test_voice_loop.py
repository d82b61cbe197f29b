"""Loop legs: judged by who hears what."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from test_voice_phone_leg import phone_leg, press
from test_voice_recording_tracks import tones_in
from voice_loops import SILENT, bridge, deaf, heard, loop_leg, serving
from voice_media_stub import record, ulaw
from voice_peers import Phone, run, until, voice_node

from callrouter.voice.client import VoiceError
from tests.support.origin import Origin


def test_what_its_jobs_say_is_heard_by_its_peer() -> None:
    """Byte for byte; and silence before and after, so that the peer's line stays open."""
    sound = ulaw(700, 0.5)

    async def scenario() -> None:
        with Origin(serving(sound)) as origin:
            async with voice_node() as (_, client, events):
                phone = await phone_leg(client, "A", 600)
                await loop_leg(client)
                assert (await events.wait("leg.up", "L")).data == {"kind": "loop"}
                await bridge(client, "A", "L")
                await deaf(phone)
                await client.request("leg.play", leg="L", url=origin.url("/sound"), request_id="job-1")
                done = await events.wait("job.done", "L")
                assert done.data == {"job": "job-1", "kind": "sound", "reason": "finished"}
                await deaf(phone)
                assert heard(phone) == sound
                assert not events.of("leg.dtmf")

    run(scenario())


def test_what_its_peer_says_is_its_far_end() -> None:
    """A recording of both tracks: the peer on the first channel, the leg's own sound on the second."""
    sound = ulaw(900, 1.0)

    async def scenario() -> None:
        with Origin(serving(sound)) as origin:
            async with voice_node() as (_, client, events):
                phone = await phone_leg(client, "A", 600)
                await loop_leg(client)
                await bridge(client, "A", "L")
                await deaf(phone)
                await client.request("leg.play", leg="L", url=origin.url("/sound"), loop=0)
                await phone.hears(900)
                await record(client, origin, leg="L", track="both", channels=2, max_length=1)
                assert (await events.wait("recording.done", "L")).data["cause"] == "length"
                body = next(each.body for each in origin.received if each.method == "PUT")
                assert tones_in(body[2000::2], 600, 900) == [True, False]
                assert tones_in(body[2001::2], 600, 900) == [False, True]

    run(scenario())


def test_keys_of_its_peer_reach_it_also_while_it_speaks() -> None:
    """A phone's keys travel in the audio; a browser's come as `leg.send_digits`. Each is told once."""

    async def scenario() -> None:
        async with voice_node() as (_, client, events):
            phone = await phone_leg(client, "A", 600)
            phone.hush()
            await loop_leg(client)
            await bridge(client, "A", "L")
            await client.request("leg.play", leg="L", tone="busy")
            await until(lambda: heard(phone))
            press(phone, "5")
            await events.wait("leg.dtmf", "L")
            before = len(phone.received)
            await client.request("leg.send_digits", leg="L", digits="12", request_id="job-1")
            assert (await events.wait("job.done", "L")).data["kind"] == "digits"
            assert [event.data["digit"] for event in events.of("leg.dtmf", "L")] == ["5", "1", "2"]
            assert [event.data["digit"] for event in events.of("leg.dtmf", "A")] == ["5"]
            assert {packet.payload_type for packet in phone.received[before:]} == {0}

    run(scenario())


def test_its_program_may_dial_somebody() -> None:
    """A second bridge takes the inner side: both phones hear each other through it, keys too; then the first again."""

    async def scenario() -> None:
        async with voice_node() as (_, client, events):
            one, other = await phone_leg(client, "A", 600), await phone_leg(client, "B", 900)
            await loop_leg(client)
            await bridge(client, "A", "L")
            await bridge(client, "L", "B")
            await bridge(client, "L", "B")
            await bridge(client, "A", "L")
            await one.hears(900)
            await other.hears(600)
            stats = await client.request("leg.stats", leg="L")
            assert (stats["bridged_to"], stats["far_end"]) == ("B", "A")
            assert (await client.request("node.stats"))["bridged"] == 3
            press(other, "7")
            await until(lambda: {packet.payload_type for packet in one.received} == {0, 101})
            await client.request("leg.close", leg="B")
            await deaf(one)
            await client.request("leg.play", leg="L", tone="busy")
            await until(lambda: heard(one)[-160:] and one.received[-1].payload != SILENT)
            assert [event.leg for event in events.of("leg.dtmf")] == ["B"]

    run(scenario())


def test_its_program_may_join_a_conference() -> None:
    async def scenario() -> None:
        async with voice_node() as (_, client, _events):
            one, other = await phone_leg(client, "A", 600), await phone_leg(client, "B", 900)
            await loop_leg(client)
            await bridge(client, "A", "L")
            await client.request("room.join", leg="L", room="R")
            await client.request("room.join", leg="B", room="R")
            await one.hears(900)
            await other.hears(600)

    run(scenario())


def test_parted_or_closed_it_leaves_the_others_in_silence() -> None:
    async def scenario() -> None:
        async with voice_node() as (node, client, events):
            one, other = await phone_leg(client, "A", 600), await phone_leg(client, "B", 900)
            await loop_leg(client)
            await bridge(client, "A", "L")
            await bridge(client, "L", "B")
            await one.hears(900)
            await client.request("bridge.break", leg="L")
            await deaf(one)
            await deaf(other)
            assert (await client.request("leg.stats", leg="L"))["far_end"] == "A", "the inner side went first"
            await client.request("bridge.break", legs=["A", "L"])
            assert (await client.request("leg.stats", leg="L"))["far_end"] is None
            await bridge(client, "A", "L")
            await bridge(client, "L", "B")
            await one.hears(900)
            await client.request("leg.close", leg="L")
            await events.wait("leg.closed", "L")
            await deaf(one)
            await deaf(other)
            assert node.stats()["legs"] == node.stats()["ticking"] == 2

    run(scenario())


def test_legs_in_a_ring_harm_nobody() -> None:
    """Two loops bridged both ways: a sound goes round once."""

    async def scenario() -> None:
        async with voice_node() as (node, client, events):
            phone = await phone_leg(client, "A", 600)
            for leg in ("L", "M"):
                await loop_leg(client, leg)
            await bridge(client, "L", "M")
            await bridge(client, "M", "L")
            await bridge(client, "L", "A")
            await bridge(client, "M", "L")
            for leg in ("L", "M"):
                await client.request("leg.play", leg=leg, keys="1")
            await events.wait("job.done", count=2)
            assert await client.request("ping") == {}
            await until(lambda: len(phone.received) > 5)
            assert node.stats()["legs"] == 3

    run(scenario())


def test_a_quiet_loop_is_not_missed() -> None:
    """Its peer is watched, not the wire."""

    async def scenario() -> None:
        async with voice_node(media_timeout=0.3) as (_, client, events):
            phone = await phone_leg(client, "A", 600)
            await loop_leg(client)
            await bridge(client, "A", "L")
            await phone_gone(phone, events)
            assert not events.of("leg.media_timeout", "L")

    async def phone_gone(phone: Phone, events: Any) -> None:
        phone.hush()
        await events.wait("leg.media_timeout", "A")
        await asyncio.sleep(0.5)

    run(scenario())


def test_it_takes_no_sdp() -> None:
    async def scenario() -> None:
        async with voice_node() as (_, client, _events):
            phone = await Phone.open(600)
            with pytest.raises(VoiceError, match="bad_sdp"):
                await client.request("leg.create", leg="L", kind="loop", sdp=phone.sdp())
            await loop_leg(client)
            await loop_leg(client)
            for command in ("leg.accept", "leg.restart"):
                with pytest.raises(VoiceError, match="bad_sdp"):
                    await client.request(command, leg="L", sdp=phone.sdp())
            with pytest.raises(VoiceError, match="loop"):
                await client.request("leg.create", leg="X", kind="lop")

    run(scenario())

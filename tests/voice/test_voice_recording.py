"""Recordings on real sockets: what the far end said, to the frame, stored by a scripted media service."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from test_voice_phone_leg import phone_leg, press, until_received
from voice_media_stub import CREDENTIALS, RATE, measured, record
from voice_peers import TOKEN, Browser, Events, loudest, run, until, voice_node

from callrouter.voice.client import VoiceClient
from callrouter.voice.media import g711
from callrouter.voice.media.g711 import PCMU_TO_PCMA
from tests.support.origin import Origin

LOUD = [bytes([level]) * 80 + bytes([level | 0x80]) * 80 for level in range(20, 60)]
"""Forty frames that are loud and all different."""


async def done(events: Events, count: int = 1) -> dict[str, Any]:
    return dict((await events.wait("recording.done", count=count)).data)


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.ulaw"))


async def written(folder: Path, size: int) -> None:
    """Until the spool has so many bytes of the one recording."""
    await until(lambda: files(folder) and files(folder)[0].stat().st_size >= size)


@pytest.mark.parametrize("codec", [0, 8])
def test_what_was_said_is_stored_frame_by_frame(tmp_path: Path, codec: int) -> None:
    """Stopped by command; nothing is lost, nothing added but the silence before and after."""

    async def scenario() -> None:
        with Origin(measured) as origin:
            async with voice_node(spool=tmp_path, media_credentials=lambda: CREDENTIALS) as (
                _,
                client,
                events,
            ):
                phone = await phone_leg(client, "A", 600, formats=f"{codec} 101")
                phone.hush()
                phone.payload_type = codec
                await record(client, origin, trim=True)
                for frame in LOUD:
                    phone.send(frame if codec == 0 else frame.translate(PCMU_TO_PCMA))
                await written(tmp_path, 40 * 160 + 8000)
                await client.request("leg.record_stop", leg="A", recording="RE1")
                await client.request("leg.record_stop", leg="A", recording="RE1")
                facts = await done(events)
                (request,) = origin.received
                assert (request.method, request.target) == ("PUT", "/RE1?channels=1&trim=1")
                assert request.headers["authorization"] == CREDENTIALS["Authorization"]
                assert request.headers["content-type"] == "audio/basic"
                assert request.body.count(b"\xff") == len(request.body) - 40 * 160
                if codec == 0:
                    assert b"".join(LOUD) in request.body
                seconds = int(len(request.body) / RATE + 0.5)
                assert facts == {"recording": "RE1", "cause": "stopped", "seconds": seconds, "silent": False}
                assert not files(tmp_path)
                assert phone.target

    run(scenario())


def test_its_length_is_the_time_that_passed() -> None:
    """±1 frame, whatever arrived; the frequency is the far end's; the bridge goes on meanwhile."""

    async def scenario() -> None:
        with Origin(measured) as origin:
            async with voice_node() as (_, client, events):
                await phone_leg(client, "A", 600)
                other = await phone_leg(client, "B", 900)
                await client.request("bridge.make", legs=["A", "B"])
                await other.hears(600)
                before = time.monotonic()
                await record(client, origin)
                began = time.monotonic()
                await asyncio.sleep(1.0)
                ending = time.monotonic()
                await client.request("leg.record_stop", leg="A", recording="RE1")
                after = time.monotonic()
                assert (await done(events))["cause"] == "stopped"
                body = origin.received[0].body
                assert ending - began - 0.02 <= len(body) / RATE <= after - before + 0.02
                assert len(body) % 160 == 0
                assert abs(loudest(g711.decode(body)) - 600) <= 3
                await other.hears(600)

    run(scenario())


def test_a_browser_is_recorded() -> None:
    async def scenario() -> None:
        with Origin(measured) as origin:
            async with voice_node() as (_, client, events):
                browser = Browser(1000)
                made = await client.request("leg.create", leg="A", kind="webrtc", sdp=await browser.offer())
                await browser.take(made["sdp"])
                await events.wait("leg.up", "A")
                await record(client, origin, max_length=1)
                assert (await done(events))["cause"] == "length"
                sound = g711.decode(origin.received[0].body)
                assert len(sound) == RATE
                assert abs(loudest(sound[RATE // 2 :]) - 1000) <= 6
                await browser.close()

    run(scenario())


def test_a_silence_ends_it() -> None:
    """`silence` seconds after the last sound; packets of silence and no packets are the same."""

    async def scenario() -> None:
        with Origin(measured) as origin:
            async with voice_node() as (_, client, events):
                phone = await phone_leg(client, "A", 600)
                await until(lambda: phone.sequence)
                await record(client, origin, silence=1)
                await asyncio.sleep(0.5)
                phone.frames = [b"\xff" * 160]
                await asyncio.sleep(0.5)
                phone.hush()
                facts = await done(events)
                assert (facts["cause"], facts["silent"]) == ("silence", False)
                body = origin.received[0].body
                sound = len(body.rstrip(b"\xff"))
                assert abs(len(body) - sound - RATE) <= 160, "one second after the last loud frame"
                assert 0.3 * RATE < sound < 1.5 * RATE

    run(scenario())


def test_nobody_speaks() -> None:
    async def scenario() -> None:
        with Origin(measured) as origin:
            async with voice_node() as (_, client, events):
                (await phone_leg(client, "A", 600)).hush()
                await record(client, origin, silence=1)
                facts = await done(events)
                assert (facts["cause"], facts["seconds"], facts["silent"]) == ("silence", 1, True)
                assert set(origin.received[0].body[-4000:]) == {0xFF}

    run(scenario())


def test_the_limit_ends_it_exactly() -> None:
    async def scenario() -> None:
        with Origin(measured) as origin:
            async with voice_node() as (_, client, events):
                await phone_leg(client, "A", 600)
                await record(client, origin, max_length=1)
                assert (await done(events))["cause"] == "length"
                assert len(origin.received[0].body) == RATE

    run(scenario())


def test_loss_disorder_pauses_and_digits_keep_their_time(tmp_path: Path) -> None:
    """Frames come in any order, some never; a key press and a pause of the sender are silence."""

    async def scenario() -> None:
        with Origin(measured) as origin:
            async with voice_node(spool=tmp_path) as (_, client, events):
                phone = await phone_leg(client, "A", 600)
                phone.hush()
                first, stamp = phone.sequence, phone.timestamp
                await record(client, origin)

                def say(number: int, place: int) -> None:
                    phone.sequence, phone.timestamp = first + number - 1, stamp + (place - 1) * 160
                    phone.send(LOUD[number])

                for number in (1, 3, 2, 5, 5, 4, 7):  # 6 is lost
                    say(number, number)
                phone.sequence = first + 7
                press(phone, "1")
                pressed = phone.sequence - first
                phone.sequence, phone.timestamp = first + pressed, stamp + 19 * 160
                phone.send(LOUD[8])
                await events.wait("leg.dtmf", "A")
                await written(tmp_path, 8000)
                await client.request("leg.record_stop", leg="A", recording="RE1")
                await done(events)
                quiet = b"\xff" * 160
                said = [*LOUD[1:6], quiet, LOUD[7], *[quiet] * 12, LOUD[8]]
                assert b"".join(said) in origin.received[0].body

    run(scenario())


def test_what_the_network_held_back_is_not_lost() -> None:
    """A burst after a stall, then the end at once: every frame of it is there, in order."""

    async def scenario() -> None:
        with Origin(measured) as origin:
            async with voice_node() as (_, client, events):
                phone = await phone_leg(client, "A", 600)
                phone.hush()
                before = (await client.request("leg.stats", leg="A"))["packets_received"]
                await record(client, origin)
                phone.send(LOUD[0])
                await asyncio.sleep(0.6)
                for frame in LOUD[1:]:
                    phone.send(frame)
                await until_received(client, "A", before + len(LOUD))
                await client.request("leg.record_stop", leg="A", recording="RE1")
                await done(events)
                assert b"".join(LOUD[1:]) in origin.received[0].body
                assert origin.received[0].body.count(LOUD[0]) == 1

    run(scenario())


def test_a_hang_up_ends_it_and_it_is_stored_all_the_same() -> None:
    """The event comes after `leg.closed`, to the router that had the leg, also a later one."""

    async def scenario() -> None:
        with Origin({"/RE1": lambda request: [0.3, *measured(request)]}) as origin:
            async with voice_node() as (node, client, events):
                await phone_leg(client, "A", 600)
                await record(client, origin)
                await asyncio.sleep(0.6)
                heir = Events()
                second = VoiceClient(node.control_address, TOKEN, heir.take, owner="second")
                await second.start()
                await second.request("leg.stop", leg="A")
                await second.request("leg.close", leg="A")
                facts = await done(heir)
                assert (facts["cause"], facts["seconds"]) == ("hangup", 1)
                assert [event.type for event in heir.all] == ["leg.closed", "recording.done"]
                assert not events.of("recording.done")
                assert abs(loudest(g711.decode(origin.received[0].body)) - 600) <= 6
                assert not node._board._owners
                await second.close()

    run(scenario())


def test_the_beep_comes_first_and_is_not_recorded(tmp_path: Path) -> None:
    """After what plays already; and StopSounds during the beep does not stop the recording."""

    async def scenario() -> None:
        with Origin(measured) as origin:
            async with voice_node(spool=tmp_path) as (_, client, events):
                phone = await phone_leg(client, "A", 600)
                await client.request("leg.play", leg="A", keys="5", request_id="job-1")
                await record(client, origin, beep=True, max_length=1)
                assert not files(tmp_path)
                await done(events)
                assert [event.data["job"] for event in events.of("job.done")] == ["job-1"], (
                    "the beep is no job"
                )
                loud = [packet.payload for packet in phone.received if packet.payload != b"\xff" * 160]
                assert len(loud) == 6 + 25
                assert abs(loudest(g711.decode(b"".join(loud[6:]))) - 1000) <= 3
                await record(client, origin, recording="RE2", beep=True, max_length=1)
                await client.request("leg.stop", leg="A")
                assert (await done(events, 2))["seconds"] == 1

    run(scenario())


@pytest.mark.parametrize(("command", "cause"), [("leg.record_stop", "stopped"), ("leg.close", "hangup")])
def test_nothing_recorded_is_nothing_stored(command: str, cause: str) -> None:
    """Its end comes while the beep is still due; that ends too."""

    async def scenario() -> None:
        with Origin(measured) as origin:
            async with voice_node() as (_, client, events):
                phone = await phone_leg(client, "A", 600)
                await record(client, origin, beep=True)
                recording = {"recording": "RE1"} if command == "leg.record_stop" else {}
                await client.request(command, leg="A", **recording)
                facts = {"recording": "RE1", "cause": cause, "seconds": 0, "silent": True}
                assert await done(events) == facts
                assert not origin.received
                if command == "leg.record_stop":
                    count = len(phone.received)
                    await until(lambda: len(phone.received) > count + 3)
                    assert phone.received[-1].payload == b"\xff" * 160

    run(scenario())

"""Recordings on real sockets: what the far end said, to the frame, stored by a scripted media service."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import pytest
from test_voice_phone_leg import phone_leg, press, until_received
from voice_media_stub import CREDENTIALS, RATE, answer, fault, in_turn, measured, receipt, record
from voice_peers import TOKEN, Browser, Events, loudest, run, until, voice_node

from callrouter.voice.client import VoiceClient, VoiceError
from callrouter.voice.media import g711
from callrouter.voice.media.g711 import PCMU_TO_PCMA
from callrouter.voice.spool import SpoolFile
from tests.support.origin import HANG, Origin

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


def test_the_upload_is_tried_again() -> None:
    """The service restarts, is ill, gives no receipt; the recording is stored once it is back."""

    async def scenario() -> None:
        script = in_turn(["reset"], fault(503, 20503, "Starting."), answer(201, b"{}"), receipt(7))
        with Origin({"/RE1": script}) as origin:
            async with voice_node() as (_, client, events):
                await phone_leg(client, "A", 600)
                await record(client, origin, max_length=1)
                facts = await done(events)
                assert (facts["cause"], facts["seconds"], facts["silent"]) == ("length", 7, False)
                assert [len(request.body) for request in origin.received] == [RATE] * 4

    run(scenario())


@pytest.mark.parametrize(
    ("script", "tries", "code", "message"),
    [
        (fault(404, 20404, "No such account."), 1, 20404, "No such account."),
        (answer(302, b"", "Location: /elsewhere"), 1, 12400, "status 302"),
        (fault(507, 20503, "The disk is full."), 2, 12400, "answered 507: The disk is full."),
        ([HANG], 1, 12400, "no answer within 0.8 s"),
    ],
    ids=["refused", "redirect", "ill", "hangs"],
)
def test_an_upload_that_fails_for_good(
    tmp_path: Path, script: Any, tries: int, code: int, message: str
) -> None:
    """Reported within a bound with what is known; the audio stays on the node's disk."""

    async def scenario() -> None:
        with Origin({"/RE1": script}) as origin:
            async with voice_node(spool=tmp_path, upload_timeout=0.8) as (node, client, events):
                await phone_leg(client, "A", 600)
                await record(client, origin, max_length=1)
                facts = await done(events)
                assert message in facts.pop("message")
                known = {"recording": "RE1", "cause": "failed", "seconds": 1, "silent": False}
                assert facts == {**known, "code": code}
                assert len(origin.received) == tries
                assert [file.stat().st_size for file in files(tmp_path)] == [RATE]
                assert files(tmp_path)[0].stat().st_mode & 0o077 == 0, "nobody else's to hear"
                assert node.stats()["uploads"] == node.stats()["recording"] == 0

    run(scenario())


def test_a_fault_of_ours_is_told_too() -> None:
    def credentials() -> dict[str, str]:
        raise RuntimeError("no keys")

    async def scenario() -> None:
        with Origin(measured) as origin:
            async with voice_node(media_credentials=credentials) as (_, client, events):
                await phone_leg(client, "A", 600)
                await record(client, origin, max_length=1)
                facts = await done(events)
                assert (facts["cause"], facts["seconds"], facts["code"]) == ("failed", 1, 12400)

    run(scenario())


def test_a_spool_that_cannot_be_written(tmp_path: Path) -> None:
    async def scenario() -> None:
        (tmp_path / "spool").write_text("a file where the folder should be")
        with Origin(measured) as origin:
            async with voice_node(spool=tmp_path / "spool") as (_, client, events):
                await phone_leg(client, "A", 600)
                await record(client, origin)
                facts = await done(events)
                assert (facts["cause"], facts["seconds"]) == ("failed", 0)
                assert str(tmp_path / "spool") in facts["message"]
                assert not origin.received

    run(scenario())


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_a_full_disk_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written before is stored, and the failure is told all the same."""

    async def scenario() -> None:
        write, count = SpoolFile._write, iter(range(99))

        def fill(self: SpoolFile, audio: bytes) -> None:
            if next(count) == 1:
                assert self._file is not None
                self._file.close()
                self._file = Path("/dev/full").open("wb", buffering=0)  # noqa: SIM115 - the node closes it
            write(self, audio)

        monkeypatch.setattr(SpoolFile, "_write", fill)
        with Origin(measured) as origin:
            async with voice_node(spool=tmp_path) as (_, client, events):
                await phone_leg(client, "A", 600)
                await record(client, origin)
                facts = await done(events)
                assert (facts["cause"], facts["seconds"], facts["code"]) == ("failed", 1, 12400)
                assert "No space left on device" in facts["message"]
                assert len(origin.received[0].body) == RATE

    run(scenario())


def test_a_draining_node_waits_for_what_is_not_stored() -> None:
    async def scenario() -> None:
        with Origin({"/RE1": lambda request: [0.5, *measured(request)]}) as origin:
            async with voice_node() as (_, client, events):
                await phone_leg(client, "A", 600)
                await record(client, origin)
                await asyncio.sleep(0.2)
                await client.request("node.drain")
                await client.request("leg.close", leg="A")
                await events.wait("node.drained")
                order = [event.type for event in events.all if event.type != "leg.up"]
                assert order == ["leg.closed", "recording.done", "node.drained"]

    run(scenario())


def test_a_node_that_ends_stores_what_it_has(tmp_path: Path) -> None:
    """Or, when the service does not take it in time, leaves it on the disk."""

    async def scenario() -> None:
        with Origin({"/RE1": measured, "/RE2": [HANG]}) as origin:
            async with voice_node(spool=tmp_path, upload_grace=0.5) as (_, client, _events):
                await phone_leg(client, "A", 600)
                await record(client, origin)
                await record(client, origin, recording="RE2", upload=origin.url("/RE2?trim=0"))
                await asyncio.sleep(0.2)
            assert {request.target for request in origin.received} == {
                "/RE1?channels=1&trim=0",
                "/RE2?trim=0&channels=1",
            }
            assert len(files(tmp_path)) == 1

    run(scenario())


def test_recordings_of_a_leg_are_bounded_and_orders_repeat() -> None:
    async def scenario() -> None:
        with Origin(measured) as origin:
            async with voice_node() as (node, client, events):
                await phone_leg(client, "A", 600)
                for number in range(4):
                    await record(client, origin, recording=f"RE{number}")
                    await record(client, origin, recording=f"RE{number}")
                assert node.stats()["recording"] == 4
                with pytest.raises(VoiceError, match="4 recordings run here already"):
                    await record(client, origin, recording="RE4")
                await client.request("leg.record_stop", leg="A", recording="RE0")
                assert (await done(events))["recording"] == "RE0"
                await client.request("leg.record_stop", leg="gone", recording="RE0")

    run(scenario())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"recording": ""}, "`recording`"),
        ({"upload": "ftp://127.0.0.1/x"}, "`upload`, an absolute http URL"),
        ({"max_length": 0}, "`max_length`, a whole number from 1"),
        ({"max_length": None}, "`max_length`"),
        ({"silence": 1.5}, "`silence`, a whole number"),
        ({"beep": 1}, "`beep` is true or false"),
    ],
)
def test_bad_orders_are_refused(fields: dict[str, Any], message: str) -> None:
    async def scenario() -> None:
        with Origin(measured) as origin:
            async with voice_node() as (_, client, _events):
                await phone_leg(client, "A", 600)
                with pytest.raises(VoiceError, match=message):
                    await record(client, origin, **fields)
                with pytest.raises(VoiceError, match="no_such_leg"):
                    await record(client, origin, leg="B")

    run(scenario())


def test_old_files_of_the_spool_go(tmp_path: Path) -> None:
    """A week for the operator to rescue what was not stored."""
    old, young, alien = (tmp_path / name for name in ("old.ulaw", "young.ulaw", "notes.txt"))
    for path, days in ((old, 8), (young, 6), (alien, 99)):
        path.write_bytes(b"x")
        os.utime(path, (time.time() - days * 86_400,) * 2)

    async def scenario() -> None:
        with Origin(measured) as origin:
            async with voice_node(spool=tmp_path) as (_, client, events):
                await phone_leg(client, "A", 600)
                await record(client, origin, max_length=1)
                await done(events)

    run(scenario())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes.txt", "young.ulaw"]

"""Recordings when something fails: uploads, disks, orders, and nodes that end."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import pytest
from test_voice_phone_leg import phone_leg
from test_voice_recording import done, files
from voice_media_stub import RATE, answer, fault, in_turn, measured, receipt, record
from voice_peers import run, voice_node

from callrouter.voice.client import VoiceError
from callrouter.voice.spool import SpoolFile
from tests.support.origin import HANG, Origin


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

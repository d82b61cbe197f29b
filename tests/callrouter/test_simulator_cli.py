"""`callrouter simulate` as a process of its own, against the small router of simulator_world."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import Any

import click
import pytest
import requests
from click.testing import CliRunner
from simulator_world import command, echo_phone, eventually, told

from callrouter.audio.ear import Ear, dominant_hz
from callrouter.audio.sources import Silence
from callrouter.audio.wav import read_wav
from callrouter.carriers.simulator.access import CarrierAccess, CarrierLookup
from callrouter.carriers.simulator.cli import simulate
from callrouter.carriers.simulator.rtp import RtpSession
from callrouter.scenario.ports import free_port
from tests.support.fake_router import FakeRouter
from tests.support.simulated_carrier import SECRET, router

START = "from callrouter.carriers.simulator.cli import simulate; simulate()"
__all__ = ["router"]


class At:
    """A running simulator, by its control URL: what `command` of the other tests needs."""

    def __init__(self) -> None:
        self.listen = f"127.0.0.1:{free_port()}"
        self.control_url = f"http://{self.listen}/acme"

    def send(self, call_id: str, type: str, **fields: Any) -> requests.Response:
        return command(self, call_id, type, **fields)  # type: ignore[arg-type]


async def start(router_url: str, at: At, *options: str) -> asyncio.subprocess.Process:
    common = ["--secret", SECRET, "--router", router_url, "--listen", at.listen, "--json"]
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", START, *options, *common, stdout=asyncio.subprocess.PIPE
    )


async def outcome(process: asyncio.subprocess.Process) -> tuple[int, dict[str, Any]]:
    out, _ = await asyncio.wait_for(process.communicate(), 20)
    return process.returncode or 0, json.loads(out.splitlines()[-1])


CALL = ["call", "--carrier", "acme", "--from", "+15550100", "--to", "+15550199"]


def test_a_call_is_answered_heard_recorded_and_reported(router: FakeRouter, tmp_path: Path) -> None:
    async def scenario() -> None:
        at, file = At(), tmp_path / "heard.wav"
        with echo_phone() as far:
            options = ["--tone", "700", "--digits", "5", "--hangup-after", "1", "--record", str(file)]
            process = await start(router.url, at, *CALL, *options)
            await eventually(lambda: bool(router.received))
            call_id = router.received[0][1]["id"]
            await asyncio.to_thread(at.send, call_id, "answer", sdp=far.sdp)
            code, last = await outcome(process)
            assert code == 0
            assert last["report"]["heard_hz"] == pytest.approx(700, abs=3)
            assert (last["report"]["ended_by"], last["report"]["cause"]) == ("carrier", "normal")
            assert far.digits() == "5"
            assert told(router) == ["hangup"]
        assert dominant_hz(read_wav(file)[-4000:]) == pytest.approx(700, abs=3)

    asyncio.run(scenario())


@pytest.mark.parametrize(("cause", "code"), [("busy", 5), ("rejected", 5), ("failed", 6)])
def test_a_call_that_is_not_answered_has_its_exit_code(router: FakeRouter, cause: str, code: int) -> None:
    async def scenario() -> None:
        at = At()
        process = await start(router.url, at, *CALL)
        await eventually(lambda: bool(router.received))
        await asyncio.to_thread(at.send, router.received[0][1]["id"], "reject", cause=cause)
        assert (await outcome(process))[0] == code

    asyncio.run(scenario())


def test_refused_given_up_and_no_router_have_their_exit_codes(router: FakeRouter) -> None:
    async def scenario() -> None:
        assert (await outcome(await start(router.url, At(), *CALL, "--give-up-after", "0.2")))[0] == 6
        assert router.received[-1][1]["cause"] == "canceled"
        router.answers = [(404, {"code": 21421, "message": "No such number here."})]
        code, last = await outcome(await start(router.url, At(), *CALL))
        assert code == 3
        assert "No such number here" in last["text"]
        code, last = await outcome(await start("http://127.0.0.1:9", At(), *CALL))
        assert code == 4
        assert "127.0.0.1:9" in last["text"]

    asyncio.run(scenario())


def test_an_interrupted_call_is_hung_up(router: FakeRouter) -> None:
    async def scenario() -> None:
        process = await start(router.url, At(), *CALL)
        assert process.stdout
        while b"took the call" not in await asyncio.wait_for(process.stdout.readline(), 10):
            pass
        process.send_signal(signal.SIGTERM)
        code, last = await outcome(process)
        assert (code, last["report"]["ended_by"]) == (130, "carrier")
        assert told(router) == ["hangup"]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--tone", "9000"], "9000.0 Hz is no telephone tone"),
        (["--digits", "12x"], "give up to 64"),
        (["--record", "/nowhere/at/all.wav"], "No such file"),
        (["--router", ""], "Give --secret and --router"),
    ],
)
def test_wrong_options_are_named_before_anything_happens(options: list[str], text: str) -> None:
    arguments = [*CALL, "--secret", SECRET, "--router", "http://127.0.0.1:9", *options]
    result = CliRunner().invoke(simulate, arguments, obj="nothing known")
    assert result.exit_code == 2
    assert text in result.output


def test_the_rest_comes_from_the_operators_records(router: FakeRouter) -> None:
    found = []

    def find(name: str) -> CarrierAccess:
        found.append(name)
        raise click.ClickException(f"There is no carrier {name}.")

    result = CliRunner().invoke(simulate, CALL, obj=CarrierLookup(find=find))
    assert (result.exit_code, found) == (1, ["acme"])
    assert "There is no carrier acme." in result.output


def test_a_standing_carrier_takes_calls_until_it_is_stopped(router: FakeRouter, tmp_path: Path) -> None:
    async def scenario() -> None:
        at = At()
        options = [
            "carrier",
            "--name",
            "acme",
            "--answer-after",
            "0.1",
            "--tone",
            "900",
            "--record",
            str(tmp_path),
        ]
        process = await start(router.url, at, *options)
        assert process.stdout
        assert at.control_url in (await asyncio.wait_for(process.stdout.readline(), 10)).decode()
        ear = Ear()
        phone = RtpSession(Silence(), ear)
        await phone.open("127.0.0.1")
        fields = {"from": "+15550199", "to": "+15550142", "sdp": phone.offer(), "timeout": 20}
        await asyncio.to_thread(at.send, "CA7", "dial", **fields)
        await eventually(lambda: "answered" in told(router))
        phone.connect(router.received[-1][1]["sdp"])
        assert await ear.heard(0.5) == pytest.approx(900, abs=3)
        await asyncio.to_thread(at.send, "CA7", "hangup", cause="normal")
        process.send_signal(signal.SIGTERM)
        code, last = await outcome(process)
        assert code == 0
        assert last["report"]["call_sid"] == "CA7"
        assert (tmp_path / "CA7.wav").stat().st_size > 1000
        phone.close()

    asyncio.run(scenario())


def test_the_operators_record_names_the_listen_address() -> None:
    known = CarrierAccess(router_url="http://r", secret="s", control_url="http://127.0.0.1:9000/acme")
    assert known.listen == "127.0.0.1:9000"

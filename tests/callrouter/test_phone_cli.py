"""`callrouter phone` as a process of its own, against the fake signalling server."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from phone_line import FakeSignal, line

from callrouter.audio.ear import Ear, dominant_hz
from callrouter.audio.sources import Tone
from callrouter.audio.wav import read_wav
from callrouter.phone.cli import PhoneDefaults, PhoneLookup
from callrouter.phone.cli import phone as command
from callrouter.phone.media import Media

START = "from callrouter.phone.cli import phone; phone()"


async def start(signal: FakeSignal | str, *options: str) -> asyncio.subprocess.Process:
    where = signal if isinstance(signal, str) else signal.url
    arguments = ["-c", START, "--token", "t", "--signal", where, "--json", *options]
    return await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )


async def outcome(process: asyncio.subprocess.Process) -> tuple[int, dict[str, Any]]:
    out, err = await asyncio.wait_for(process.communicate(), 20)
    assert out, err.decode()
    return process.returncode or 0, json.loads(out.splitlines()[-1])


def test_answers_presses_keys_hears_and_records(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with line() as (signal, _):
            file = tmp_path / "heard.wav"
            options = [
                "--once",
                "--answer-after",
                "0",
                "--hangup-after",
                "1.5",
                "--digits",
                "1#",
                "--tone",
                "600",
            ]
            process = await start(signal, *options, "--record", str(file))
            await signal.frame("register")
            far = await signal.ring()
            await far.accept((await signal.frame("answer"))["sdp"])
            assert await far.ear.heard(0.5) == pytest.approx(600, abs=3)
            assert (await signal.frame("dtmf"))["dtmf"] == "1#"
            code, last = await outcome(process)
            assert code == 0
            assert last["report"]["heard_hz"] == pytest.approx(500, abs=3)
            assert (last["report"]["ended_by"], last["report"]["how"]) == ("phone", "hangup")
            assert last["report"]["from"] == "+15550100"
            assert dominant_hz(read_wav(file)[-4000:]) == pytest.approx(500, abs=3)
            await far.close()

    asyncio.run(scenario())


@pytest.mark.parametrize(("reply", "code"), [("--reject", 5), ("--ignore", 6)])
def test_a_call_that_is_not_taken_has_its_exit_code(reply: str, code: int) -> None:
    async def scenario() -> None:
        async with line() as (signal, _):
            process = await start(signal, "--once", "--answer-after", "0", reply)
            await signal.frame("register")
            far = await signal.ring()
            assert (await outcome(process))[0] == code
            assert signal.count("reject") == (code == 5)
            await far.close()

    asyncio.run(scenario())


def test_places_a_call_with_parameters() -> None:
    async def scenario() -> None:
        async with line() as (signal, _):
            process = await start(signal, "--call", "+15550199", "--param", "a=b", "--hangup-after", "1")
            invite = await signal.frame("invite")
            assert invite["twilio"]["params"] == "To=%2B15550199&a=b"
            far = Media(Tone(hz=500), Ear(), loopback=True)
            await far.answer(invite["sdp"])
            await signal.send("answer", callsid="CA1", sdp=far._peer.localDescription.sdp, reconnect="r")
            code, last = await outcome(process)
            assert (code, last["report"]["call_sid"]) == (0, "CA1")
            await far.close()

    asyncio.run(scenario())


def test_a_busy_answer_a_refused_token_and_no_server_have_their_exit_codes() -> None:
    async def scenario() -> None:
        async with line() as (signal, _):
            process = await start(signal, "--call", "x")
            sid = (await signal.frame("invite"))["callsid"]
            await signal.send("hangup", callsid=sid, error={"code": 31486, "message": "Busy Here"})
            assert (await outcome(process))[0] == 5
            signal.listen_error = 31205
            code, last = await outcome(await start(signal))
            assert code == 3
            assert "31205" in last["text"]
        code, last = await outcome(await start("ws://127.0.0.1:9/signal"))
        assert code == 4
        assert "127.0.0.1:9" in last["text"]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ([], "Give either --identity or --token"),
        (["--identity", "alice", "--token", "t"], "Give either --identity or --token"),
        (["--identity", "alice"], "not at hand"),
        (["--token", "t", "--param", "x"], "NAME=VALUE"),
    ],
)
def test_wrong_options_are_named(options: list[str], text: str) -> None:
    result = CliRunner().invoke(command, options, obj="nothing known")
    assert result.exit_code == 2
    assert text in result.output


def test_the_token_and_the_address_come_from_the_operators_settings() -> None:
    minted = []

    def mint(identity: str) -> str:
        minted.append(identity)
        raise click.ClickException("no key")

    defaults = PhoneDefaults(mint=mint, signal="localhost:9")
    result = CliRunner().invoke(command, ["--identity", "alice"], obj=PhoneLookup(find=lambda: defaults))
    assert (result.exit_code, minted) == (1, ["alice"])
    assert "no key" in result.output

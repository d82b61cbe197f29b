"""`callrouter simulate text` and the messages of `simulate carrier`, as processes of their own."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from typing import Any

import click
import pytest
from click.testing import CliRunner
from test_messages_simulator import SECRET, eventually, message, post, router

from callrouter.carriers.simulator.cli import simulate
from callrouter.carriers.simulator.options import texting_options, texting_script
from callrouter.carriers.simulator.texts import Line, Receipts, TextScript
from callrouter.scenario.ports import free_port
from tests.support.fake_router import FakeRouter

START = "from callrouter.carriers.simulator.cli import simulate; simulate()"
__all__ = ["router"]


class At:
    """Where a simulator listens; what `post` needs."""

    def __init__(self) -> None:
        self.listen = f"127.0.0.1:{free_port()}"
        self.control_url = f"http://{self.listen}/acme"


async def start(router_url: str, at: At, *options: str) -> asyncio.subprocess.Process:
    common = ["--secret", SECRET, "--router", router_url, "--listen", at.listen, "--json"]
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", START, *options, *common, stdout=asyncio.subprocess.PIPE
    )


async def outcome(process: asyncio.subprocess.Process) -> tuple[int, list[dict[str, Any]]]:
    out, _ = await asyncio.wait_for(process.communicate(), 20)
    return process.returncode or 0, [json.loads(line) for line in out.splitlines()]


TEXT = ["text", "Hello ✓", "--carrier", "acme", "--from", "+15550142", "--to", "+15550199"]


def test_a_text_is_sent_and_its_answer_shown(router: FakeRouter) -> None:
    async def scenario() -> None:
        at = At()
        process = await start(router.url, at, *TEXT, "--media", "http://127.0.0.1/a.png?x=1")
        await eventually(lambda: bool(router.received))
        path, sent = router.received[0]
        assert path == "/carriers/acme/messages"
        assert (sent["from"], sent["to"], sent["body"]) == ("+15550142", "+15550199", "Hello ✓")
        assert sent["media"] == [{"url": "http://127.0.0.1/a.png?x=1", "content_type": "image/png"}]
        for number, to in enumerate(("+15550143", "+15550142")):
            assert (await asyncio.to_thread(post, at, message(f"SM{number}", to=to))).status_code == 202
        code, lines = await outcome(process)
        reports = [line["report"] for line in lines if "report" in line]
        assert (code, [(report["to"], report["body"]) for report in reports]) == (0, [("+15550142", "hi")])

    asyncio.run(scenario())


def test_no_answer_refused_no_router_and_interrupted_have_their_exit_codes(router: FakeRouter) -> None:
    async def scenario() -> None:
        assert (await outcome(await start(router.url, At(), *TEXT, "--wait", "0.2")))[0] == 6
        assert (await outcome(await start(router.url, At(), *TEXT, "--answers", "0")))[0] == 0
        router.answers = [(404, {"code": 21421, "message": "No such number here."})]
        code, lines = await outcome(await start(router.url, At(), *TEXT))
        assert (code, "No such number here" in lines[-1]["text"]) == (3, True)
        code, lines = await outcome(await start("http://127.0.0.1:9", At(), *TEXT))
        assert (code, "127.0.0.1:9" in lines[-1]["text"]) == (4, True)
        process = await start(router.url, At(), *TEXT)
        assert process.stdout
        while b"took the message" not in await asyncio.wait_for(process.stdout.readline(), 10):
            pass
        process.send_signal(signal.SIGTERM)
        assert (await outcome(process))[0] == 130

    asyncio.run(scenario())


def test_a_standing_carrier_takes_messages_and_reports_them(router: FakeRouter) -> None:
    async def scenario() -> None:
        at, options = At(), ["--delivered", "0", "--error-code", "30005", "--receipt-after", "0"]
        process = await start(router.url, at, "carrier", "--name", "acme", *options)
        assert process.stdout
        await asyncio.wait_for(process.stdout.readline(), 10)
        assert (await asyncio.to_thread(post, at, message())).status_code == 202
        await eventually(lambda: bool(router.received))
        (report,) = (body for _, body in router.received)
        assert (report["status"], report["error_code"]) == ("undelivered", 30005)
        process.send_signal(signal.SIGTERM)
        assert (await outcome(process))[0] == 0

    asyncio.run(scenario())


def test_every_part_of_a_script_has_an_option() -> None:
    """Without options it is the usual script; `answer_after` is for calls there."""

    def read(*given: str) -> TextScript:
        found: list[TextScript] = []

        @texting_options
        def command(**options: Any) -> None:
            found.append(texting_script(options))

        click.command()(command).main(list(given), standalone_mode=False)
        return found[0]

    assert read() == TextScript()
    given = (
        "--message-rate 5 --delivered 0.5 --error-code 30005 --receipts lying --receipt-after 2 --unreported 0.1 "
        "--early --refused 0.2 --refusal 30007 --final --line mute --seed 3"
    )
    assert read(*given.split()) == TextScript(
        line=Line.MUTE,
        rate=5,
        refused=0.2,
        refusal=30007,
        final=True,
        delivered=0.5,
        error_code=30005,
        receipts=Receipts.LYING,
        receipt_after=2,
        unreported=0.1,
        early=True,
    )


@pytest.mark.parametrize(
    "options", [["--delivered", "1.1"], ["--receipts", "some"], ["--message-rate", "0"], ["--line", "gone"]]
)
def test_a_wrong_option_is_said_before_anything_starts(options: list[str]) -> None:
    common = ["carrier", "--secret", "s", "--router", "http://127.0.0.1:9"]
    assert CliRunner().invoke(simulate, [*common, *options]).exit_code == 2

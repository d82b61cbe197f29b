"""Plays the scene with real processes, and shows the call as it happens."""

import asyncio
import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import requests
from rich.console import Console
from rich.markup import escape
from sqlalchemy import select

from callrouter import models
from callrouter.cli.deployment import Deployment
from callrouter.demo.stage import CALLER, CARRIER_NAME, NUMBER

CALLER_HZ, CLIENT_HZ = 600, 1000
TALK_SECONDS = 3
CLIENT = "alice"
PATIENCE = 90.0
"""Seconds for each thing that is waited for, on a very busy machine."""
TOLERANCE_HZ = 5.0


class DemoFailed(Exception):
    """Something in the demo did not happen; the message says what."""


@dataclass(frozen=True, kw_only=True)
class Proof:
    """What each side heard last, in hertz."""

    caller_heard: float | None
    client_heard: float | None

    @property
    def good(self) -> bool:
        return _near(self.caller_heard, CLIENT_HZ) and _near(self.client_heard, CALLER_HZ)


def _near(heard: float | None, wanted: float) -> bool:
    return heard is not None and abs(heard - wanted) <= TOLERANCE_HZ


async def play(deployment: Deployment, environment: Mapping[str, str], console: Console) -> Proof:
    """A phone registers, a carrier calls, they talk, the caller hangs up; answers what each heard."""
    phone = await _start(
        environment,
        "phone",
        "--identity",
        CLIENT,
        "--tone",
        str(CLIENT_HZ),
        "--answer-after",
        "0.5",
        "--once",
    )
    try:
        await _said(phone, "registered")
        console.print(f"  {CLIENT} has registered over wss with an access token\n")
        caller = await _start(
            environment,
            "simulate",
            "call",
            *("--from", CALLER, "--to", NUMBER, "--carrier", CARRIER_NAME),
            *("--tone", str(CALLER_HZ), "--hangup-after", str(TALK_SECONDS)),
        )
        ladder = asyncio.create_task(_show(deployment, console))
        try:
            caller_report = await _report(caller)
            phone_report = await _report(phone)
            await asyncio.wait_for(_over(deployment), PATIENCE)
        finally:
            ladder.cancel()
            await asyncio.gather(ladder, return_exceptions=True)
    finally:
        if phone.returncode is None:
            phone.terminate()
        await phone.wait()
    return Proof(caller_heard=caller_report["heard_hz"], client_heard=phone_report["heard_hz"])


async def until_up(urls: list[str]) -> None:
    """Waits until every server says that it lives."""
    ends = time.monotonic() + PATIENCE
    while not all(await asyncio.gather(*(asyncio.to_thread(_lives, url) for url in urls))):
        if time.monotonic() > ends:
            raise DemoFailed(f"the servers did not start within {PATIENCE:.0f} s; see the messages above")
        await asyncio.sleep(0.05)


async def settled(deployment: Deployment) -> None:
    """Waits until the presence server knows the account and its key."""
    await _wait(
        lambda: not _rows(deployment, select(models.Outbox.id)), "the presence server takes the account"
    )


async def _over(deployment: Deployment) -> None:
    await _wait(lambda: not _rows(deployment, select(models.Session.call_sid)), "the call ends")


async def _wait(true: Callable[[], bool], what: str) -> None:
    ends = time.monotonic() + PATIENCE
    while not await asyncio.to_thread(true):
        if time.monotonic() > ends:
            raise DemoFailed(f"waited {PATIENCE:.0f} s in vain: {what}")
        await asyncio.sleep(0.05)


async def _show(deployment: Deployment, console: Console) -> None:
    """Prints each line of the ladder as it is written."""
    shown, began = 0, 0.0
    query = select(models.TimelineEntry.__table__).order_by(models.TimelineEntry.position)
    while True:
        rows = await asyncio.to_thread(_rows, deployment, query)
        for row in rows[shown:]:
            began = began or row.at
            arrow = f"[cyan]{escape(row.source):>16}[/] → [cyan]{escape(row.target):<16}[/]"
            console.print(f"  [dim]{row.at - began:7.3f}[/] {arrow} {escape(row.summary)}")
        shown = len(rows)
        await asyncio.sleep(0.05)


def _rows(deployment: Deployment, query: Any) -> list[Any]:
    return deployment.read(lambda connection: list(connection.execute(query)))


def _lives(url: str) -> bool:
    try:
        return requests.get(f"{url}/livez", timeout=1).ok
    except requests.RequestException:
        return False


async def _start(environment: Mapping[str, str], *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "callrouter", *arguments, "--json"),
        env=dict(environment),
        stdout=asyncio.subprocess.PIPE,
    )


async def _lines(process: asyncio.subprocess.Process) -> dict[str, Any]:
    """The next line that a phone or simulator prints; DemoFailed when it has ended."""
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), PATIENCE)
    if not line:
        raise DemoFailed("the phone or the simulator ended without a report; see the messages above")
    said: dict[str, Any] = json.loads(line)
    return said


async def _said(process: asyncio.subprocess.Process, word: str) -> None:
    while word not in (await _lines(process)).get("text", ""):
        pass


async def _report(process: asyncio.subprocess.Process) -> dict[str, Any]:
    while True:
        said = await _lines(process)
        if "report" in said:
            report: dict[str, Any] = said["report"]
            return report

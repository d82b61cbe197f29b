"""The sample support desk, started by its one command and used by the command line's phone and an agent's device."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from callrouter.scenario.ports import free_ports
from presence.client import AccountPresence

RUN = Path(__file__).parents[2] / "examples" / "text_support" / "run.py"
PHONE, NUMBER = "+14155550100", "+14155550199"
NOBODY = "Thank you. Nobody is at the desk just now; you will hear from us."
PATIENCE = 60.0

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@dataclass
class Desk:
    """The desk as it runs, and the commands that somebody types beside it."""

    env: dict[str, str]
    app: str
    log: Path

    def text(self, body: str, answers: int) -> subprocess.Popen[str]:
        """A phone writes, and waits for so many answers."""
        options = (
            "--from",
            PHONE,
            "--to",
            NUMBER,
            "--wait",
            str(PATIENCE),
            "--answers",
            str(answers),
            "--json",
        )
        command = [sys.executable, "-m", "callrouter", "simulate", "text", body, *options]
        return subprocess.Popen(command, env=self.env, stdout=subprocess.PIPE, text=True)

    def agent(self, name: str) -> AccountPresence:
        """What the page does, by the same token."""
        page = requests.get(f"{self.app}/token", params={"identity": name}, timeout=5).json()
        authority = str(Path(self.env["CALLROUTER_DATA_DIR"]) / "tls" / "ca.pem")
        return AccountPresence(f"https://{page['host']}", page["account"], page["token"], verify=authority)


def until(true: Callable[[], Any], what: str) -> None:
    ends = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < ends, f"not within {PATIENCE} s: {what}"
        time.sleep(0.5)


def answers(phone: subprocess.Popen[str]) -> list[str]:
    """What the phone was sent, once it has all."""
    out, _ = phone.communicate(timeout=2 * PATIENCE)
    said = [json.loads(line) for line in out.splitlines()]
    assert phone.returncode == 0, out
    return [line["report"]["body"] for line in said if "report" in line]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Desk]]:
    running: list[subprocess.Popen[bytes]] = []
    log = tmp_path / "log"

    def started(**settings: str) -> Desk:
        ports = free_ports(8)
        names = ("ROUTER_BIND", "PRESENCE_BIND", "SIGNAL_BIND", "MEDIA_BIND", "VOICE_CONTROL")
        env = {
            **os.environ,
            **{f"CALLROUTER_{name}": f"127.0.0.1:{port}" for name, port in zip(names, ports, strict=False)},
            "CALLROUTER_VOICE_WEBRTC_PORT": str(ports[5]),
            "CALLROUTER_DATA_DIR": str(tmp_path),
            "SIMULATOR_PORT": str(ports[6]),
            "APP_PORT": str(ports[7]),
            **settings,
        }
        with log.open("w") as file:
            running.append(subprocess.Popen([sys.executable, str(RUN)], env=env, stdout=file, stderr=file))
        until(lambda: "Stop with Ctrl-C" in log.read_text(), "it opens")
        return Desk(env=env, app=f"http://127.0.0.1:{ports[7]}", log=log)

    yield started
    for process in running:
        process.terminate()
        process.wait(30)
    print(log.read_text()[-6000:])  # shown when the test fails


def test_pr73_nobody_is_there_the_message_waits_and_the_agent_who_comes_answers_it(
    start: Callable[..., Desk],
) -> None:
    desk = start()
    phone = desk.text("Is it open?", answers=2)
    until(lambda: "POST /sms" in desk.log.read_text(), "the app is asked")
    with desk.agent("ann") as ann:
        ann.register("ann", "page", capabilities=["sms"])
        with ann.inbox("ann", "page", patience=PATIENCE) as inbox:
            message = next(iter(inbox))
            assert (message["from"], message["body"]) == (PHONE, "Is it open?")
            ann.send("ann", "Until eight.", id="1", to=message["session"])
            inbox.acknowledge(message)
    assert sorted(answers(phone)) == sorted([NOBODY, "Until eight."])


def test_pr70_a_free_agent_gets_it_and_answers(start: Callable[..., Desk]) -> None:
    desk = start()
    with desk.agent("bob") as bob:
        bob.register("bob", "page", capabilities=["sms"])
        phone = desk.text("Is it open?", answers=1)
        with bob.inbox("bob", "page", patience=PATIENCE) as inbox:
            message = next(iter(inbox))
            bob.send("bob", "It is.", id="1", to=message["session"])
            inbox.acknowledge(message)
    assert answers(phone) == ["It is."]

"""The gateway's process: killed at its worst moments, stopped, and given wrong options."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from click.testing import CliRunner

from callrouter.cli import main
from callrouter.scenario.ports import free_ports
from foundation.outbound.signature import sign_body
from tests.smpp.parties import SECRET, Smsc
from tests.smpp.processes import GatewayProcess
from tests.support.extras import needs
from tests.support.fake_router import FakeRouter

needs("sms")


@pytest.fixture
def control() -> int:
    return free_ports(1)[0]


@pytest.fixture
def gateway(smsc: Smsc, router: FakeRouter, control: int, tmp_path: Path) -> Iterator[GatewayProcess]:
    options = ["--carrier", "acme", "--secret", SECRET, "--router", router.url]
    options += ["--listen", f"127.0.0.1:{control}", "--store", str(tmp_path / "store.sqlite3")]
    gateway = GatewayProcess(tmp_path, smsc, control, *options)
    yield gateway
    gateway.stop()


def hand(port: int, *, again: bool = False) -> requests.Response:
    fields: dict[str, Any] = {"id": "SM1", "from": "12345", "to": "+15550142", "body": "hi"}
    fields |= {"encoding": "gsm-7", "segments": 1, "media": [], "valid_until": time.time() + 600}
    body, stamp = json.dumps(fields | {"again": again}).encode(), int(time.time())
    headers = {"X-Callrouter-Timestamp": str(stamp)}
    headers["X-Callrouter-Signature"] = sign_body(SECRET, stamp, body)
    return requests.post(f"http://127.0.0.1:{port}/messages", data=body, headers=headers, timeout=20)


@pytest.mark.kill
def test_om7_killed_after_the_hand_over_no_report_is_lost(
    gateway: GatewayProcess, smsc: Smsc, router: FakeRouter, control: int
) -> None:
    """And the router's repeat sends nothing again."""
    gateway.start()
    assert hand(control).status_code == 202
    gateway.kill()
    gateway.start()
    assert hand(control, again=True).status_code == 202
    smsc.order(deliver={"esm_class": 4, "text": "id:1001 stat:DELIVRD err:000"})
    assert router.wait()["status"] == "delivered"
    assert len(smsc.all("submit")) == 1


@pytest.mark.kill
def test_im6_killed_before_the_router_was_told_nothing_is_lost(
    gateway: GatewayProcess, smsc: Smsc, router: FakeRouter
) -> None:
    """The SMSC had its answers, so it will not say it again; the router is told each once, in order."""
    router.answers = [(503, {})] * 1000
    gateway.start()
    words = [f"word {number}" for number in range(20)]
    for word in words:
        smsc.order(deliver={"text": word})
    smsc.wait("deliver_sm_resp", len(words))
    gateway.kill()
    router.answers = []
    gateway.start()
    router.wait(len(words))
    assert [body["body"] for _, body in router.taken] == words
    assert len({body["id"] for _, body in router.taken}) == len(words)


@pytest.mark.kill
def test_killed_while_the_smsc_thinks_the_repeat_is_no_first_time(
    gateway: GatewayProcess, smsc: Smsc, control: int
) -> None:
    """Nobody knows whether that message was taken: it is sent again only because the router asks."""
    smsc.order(set={"drop": 1})
    gateway.start()
    assert hand(control).status_code == 504
    gateway.kill()
    gateway.start()
    assert len(smsc.all("submit")) == 1
    assert hand(control, again=True).status_code == 202
    assert len(smsc.all("submit")) == 2


def test_it_stops_on_sigterm_and_says_good_bye(gateway: GatewayProcess, smsc: Smsc) -> None:
    gateway.start()
    assert gateway.stop() == 0
    smsc.wait("unbind")


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        (["--smsc", "nowhere"], "not host:port"),
        (["--password", "nine char"], "at most 8"),
        (["--system-id", "x" * 16], "at most 15"),
        (["--window", "0"], "--window"),
    ],
)
def test_wrong_options_are_named(options: list[str], fault: str) -> None:
    usual = ["--carrier", "acme", "--secret", SECRET, "--router", "http://127.0.0.1:9"]
    usual += ["--smsc", "127.0.0.1:9", "--system-id", "esme", "--password", "secret"]
    result = CliRunner().invoke(main, ["run", "smpp", *usual, *options])
    assert result.exit_code == 2
    assert fault in result.output


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [each for each in sys.modules if each.startswith("callrouter.carriers.smpp")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "smpp34", None)
    result = CliRunner().invoke(main, ["run", "smpp", "--carrier", "acme"])
    assert result.exit_code == 1
    assert "pip install 'callrouter[sms]'" in result.output
    assert CliRunner().invoke(main, ["run", "--help"]).exit_code == 0


def test_the_page_names_every_option_and_no_other() -> None:
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "smpp.md").read_text()
    from callrouter.carriers.smpp.cli import smpp
    from callrouter.cli.carrier import carrier

    of_smpp = {name for option in smpp.params for name in option.opts}
    of_carrier = {name for option in carrier.commands["create"].params for name in option.opts}
    named = set(re.findall(r"--[a-z][a-z-]+", page))
    assert named <= of_smpp | of_carrier
    assert of_smpp - named <= {"--password", "--secret"}, "these two come by the environment"
    assert {option.envvar for option in smpp.params if option.envvar} <= set(
        re.findall(r"SMPP_[A-Z_]+", page)
    )

"""`callrouter listen`: numbers ask another app for a while; afterwards what they asked before, even after a crash."""

import json
import os
from pathlib import Path

import pytest
from cli_world import Run, invoke

from callrouter.cli import forwarding
from callrouter.cli.deployment import Deployment
from callrouter.cli.forwarding import Forwarding
from callrouter.directory import numbers
from callrouter.directory.numbers import Number
from callrouter.directory.rows import values

NUMBER = "+12125550123"
VOICE = "https://prod.example.com/voice?x=1"


@pytest.fixture
def number(run: Run, monkeypatch: pytest.MonkeyPatch) -> Number:
    monkeypatch.setenv("CALLROUTER_OUTBOUND_ALLOW", "127.0.0.0/8")
    run("account", "create", "Acme")
    app = run("app", "create", "--voice-url", VOICE)["sid"]
    callback = "https://prod.example.com/status"
    run("number", "create", NUMBER, "--voice-url", VOICE, "--app", app, "--status-callback", callback)
    deployment = Deployment()
    owner = deployment.account(None).account_sid
    found: Number = deployment.read(lambda c: values(Number, c, numbers.listed(owner)))[0]
    deployment.close()
    return found


@pytest.mark.parametrize(
    ("target", "voice", "sms"),
    [
        ("http://localhost:5000", "http://localhost:5000/voice?x=1", "http://localhost:5000/"),
        ("http://localhost:5000/", "http://localhost:5000/voice?x=1", "http://localhost:5000/"),
        ("http://localhost:5000/a", "http://localhost:5000/a", "http://localhost:5000/a"),
    ],
)
def test_where_a_number_asks(number: Number, target: str, voice: str, sms: str) -> None:
    after = forwarding.forwarded(number, target)
    assert (after["voice_url"], after["sms_url"], after["voice_application_sid"]) == (voice, sms, "")
    assert after["status_callback"].startswith(target)
    assert "voice_fallback_url" not in after, "it has none"


def test_it_is_given_back(run: Run, number: Number, tmp_path: Path) -> None:
    before = run("number", "show", NUMBER)
    deployment = Deployment()
    with Forwarding(deployment, [number], "http://localhost:5000"):
        during = run("number", "show", NUMBER)
        assert during["voice_url"] == "http://localhost:5000/voice?x=1"
        assert forwarding.busy(deployment) == {number.sid: os.getpid()}
        message = run("listen", "--forward-to", "http://127.0.0.1:5001", exit_code=1)
        assert str(os.getpid()) in message
        assert run("number", "show", NUMBER) == during, "what another listener holds stays"
    deployment.close()
    after = run("number", "show", NUMBER)
    assert {**after, "date_updated": ""} == {**before, "date_updated": ""}
    assert list((tmp_path / "var" / "listening").iterdir()) == []
    result = invoke("listen", "--forward-to", "http://127.0.0.1:5000", "--for", "0")
    assert result.exit_code == 0, result.output
    assert run("number", "show", NUMBER)["voice_url"] == VOICE


def test_after_a_crash_the_next_one_gives_it_back(run: Run, number: Number, tmp_path: Path) -> None:
    """What a process left that died is there without its lock. What somebody changed meanwhile stays."""
    deployment = Deployment()
    died = Forwarding(deployment, [number], "http://localhost:5000")
    died.__enter__()
    path = next((tmp_path / "var" / "listening").iterdir())
    left = path.read_text()
    died._end()
    deployment.close()
    path.write_text(left)
    run("number", "update", NUMBER, "--sms-url", "http://new.example.com/")
    result = invoke("listen", "--restore")
    assert NUMBER in result.stderr
    shown = run("number", "show", NUMBER)
    assert (shown["voice_url"], shown["sms_url"]) == (VOICE, "http://new.example.com/")
    assert shown["voice_application_sid"] == number.voice_application_sid
    assert not path.exists()


def test_what_the_router_may_not_call_is_refused_with_the_setting(
    run: Run, number: Number, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CALLROUTER_OUTBOUND_ALLOW")
    for target, allow in (
        ("http://127.0.0.1:5000", "127.0.0.0/8"),
        ("http://192.168.1.5:5000", "192.168.1.5"),
    ):
        message = run("listen", "--forward-to", target, exit_code=1)
        assert message.rstrip().endswith(f"CALLROUTER_OUTBOUND_ALLOW={allow}")
    assert "not a usable URL" in run("listen", "--forward-to", "localhost:5000", exit_code=1)
    assert "--forward-to" in invoke("listen").stderr
    assert run("number", "show", NUMBER)["voice_url"] == VOICE


def test_which_numbers_are_meant(run: Run, number: Number) -> None:
    run("number", "create", "+12125550124")
    assert "--all" in invoke("listen", "--forward-to", "http://127.0.0.1:5000").stderr
    target = ("--forward-to", "http://127.0.0.1:5000", "--for", "0")
    assert "not found" in invoke("listen", *target, "--number", "+12125550125").stderr
    told = invoke("listen", *target, "--all").stderr
    assert all(each in told for each in (NUMBER, "+12125550124"))
    assert json.dumps(run("number", "show", NUMBER)["voice_url"]) == json.dumps(VOICE)

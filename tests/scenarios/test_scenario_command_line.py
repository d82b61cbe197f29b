"""`callrouter trigger`, `doctor` and `backup` on a deployment that runs: each command is a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from scene import Scene

from callrouter import models

STARTED = 120.0
"""Seconds for which a command may be starting on a machine that has much else to do."""
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def _environment(scene: Scene) -> dict[str, str]:
    return {**os.environ, **scene.deployment.environment, "CALLROUTER_CLI_ACCOUNT": scene.tenant.sid}


def _run(scene: Scene, *command: str, exit_code: int = 0) -> str:
    """What it prints; for one that is refused, its reason."""
    program = [sys.executable, "-m", "callrouter", *command]
    done = subprocess.run(
        program, env=_environment(scene), capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == exit_code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr if exit_code == 1 else done.stdout


def _lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_what_trigger_makes_happen(quiet: Scene, tmp_path: Path) -> None:
    """A call comes, its caller presses a key and hangs up, each by a command; a message comes and is answered."""
    scene = quiet
    number = scene.number(
        "<Response><Gather numDigits='1' timeout='60' action='/pressed'/></Response>",
        sms_url=scene.app.url("/text"),
    )
    scene.app.answers["/pressed"] = "<Response><Pause length='120'/></Response>"
    scene.app.answers["/text"] = "<Response><Message>We are open.</Message></Response>"
    calling = subprocess.Popen(
        [sys.executable, "-m", "callrouter", "trigger", "incoming-call", "--to", number, "--json"],
        env=_environment(scene),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        mine = models.Call.account_sid == scene.tenant.sid
        live = mine & (models.Call.status == "in-progress")
        call = scene.deployment.wait_until(
            lambda: scene.deployment.rows(models.Call, live), "it is answered", STARTED
        )[0]
        _run(scene, "trigger", "dtmf", call.sid, "7")
        scene.deployment.wait_until(lambda: scene.app.forms("/pressed"), "the app hears of the key", STARTED)
        assert scene.app.forms("/pressed")[0]["Digits"] == "7"
        _run(scene, "trigger", "hangup", call.sid)
        told, _ = calling.communicate(timeout=120)
    finally:
        calling.kill()
        calling.wait()
    assert calling.returncode == 0, told
    said = [line.get("text", "") for line in _lines(told)]
    assert any("presses 7" in text for text in said)
    assert "is over" in _run(scene, "trigger", "hangup", call.sid, exit_code=1)
    text = _run(scene, "trigger", "sms", "--to", number, "Is it open?", "--wait", "60", "--json")
    assert any("We are open." in line["text"] for line in _lines(text))
    _run(scene, "trigger", "incoming-call", "--to", "+14155559999", "--json", exit_code=3)

    found = {one["check"]: one for one in json.loads(_run(scene, "doctor", "--json"))}
    for check in ("carrier signature", "Twilio signature", "public URL", "client TLS", "router lease"):
        assert found[check]["state"] == "ok", found[check]
    file = tmp_path / "backup"
    assert json.loads(_run(scene, "backup", str(file), "--json"))["keys"] == "settings"
    assert "must not run" in _run(scene, "restore", str(file), "--force", exit_code=1)

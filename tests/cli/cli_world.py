"""The command line on a deployment of its own that does not run."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from callrouter.cli import main
from callrouter.scenario.ports import free_ports

Run = Callable[..., Any]


def invoke(*command: str, given: str | None = None) -> Result:
    result = CliRunner().invoke(main, command, input=given)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def settings_of(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on commands work on what is in that folder; nothing listens at its addresses."""
    monkeypatch.setenv("CALLROUTER_DATA_DIR", str(folder))
    names = ("ROUTER_BIND", "PRESENCE_BIND", "SIGNAL_BIND", "VOICE_CONTROL", "MEDIA_BIND")
    for name, port in zip(names, free_ports(len(names)), strict=True):
        monkeypatch.setenv(f"CALLROUTER_{name}", f"127.0.0.1:{port}")


def run(*command: str, exit_code: int = 0) -> Any:
    """What it prints with `--json`, or its error text when it is to fail."""
    result = invoke(*command, "--json")
    assert result.exit_code == exit_code, result.output
    return json.loads(result.stdout) if exit_code == 0 else result.stderr


def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("CALLROUTER_")]:
        monkeypatch.delenv(name)

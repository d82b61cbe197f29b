"""The files of docs/deploy hold together: names of metrics, units, settings. What they run is `test_deploy_proxies`."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from callrouter.metrics.voice import COUNTERS, GAUGES
from foundation.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "docs" / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("callrouter*.*"))
TEXTS = [path for path in sorted(DEPLOY.rglob("*")) if path.is_file()]
PARTS = ("", "_bucket", "_count", "_sum")
METRIC = re.compile(r"\b(?:callrouter|presence)_[a-z_]+\b")


def exported() -> set[str]:
    """Every name that a process can answer with, by the literals in the code."""
    literals = {
        name
        for package in ("callrouter", "presence", "foundation")
        for path in (ROOT / package).rglob("*.py")
        for name in re.findall(r'"((?:callrouter|presence)_[a-z_]+)"', path.read_text())
    }
    voice = {f"callrouter_voice_{name}" for name in GAUGES}
    voice |= {f"callrouter_voice_{name}_total" for name in COUNTERS}
    return {name + part for name in literals | voice for part in PARTS}


def expressions() -> Iterator[tuple[str, str]]:
    board = json.loads((DEPLOY / "monitoring" / "callrouter-board.json").read_text())
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]
    alerts = (DEPLOY / "monitoring" / "alerts.yml").read_text()
    for rule in alerts.split("- alert: ")[1:]:
        yield rule.split()[0], rule


def test_boards_and_alerts_ask_for_metrics_that_there_are() -> None:
    there = exported()
    asked = {name for _, text in expressions() for name in METRIC.findall(text)}
    assert len(asked) > 25
    assert asked <= there


def test_boards_fit_the_screen() -> None:
    board = json.loads((DEPLOY / "monitoring" / "callrouter-board.json").read_text())
    places = [tuple(panel["gridPos"][side] for side in "xywh") for panel in board["panels"]]
    assert all(x + w <= 24 for x, _, w, _ in places)
    assert len({(x, y) for x, y, _, _ in places}) == len(places)
    assert len({panel["id"] for panel in board["panels"]}) == len(places)


@pytest.mark.parametrize("path", TEXTS, ids=[str(path.relative_to(DEPLOY)) for path in TEXTS])
def test_samples_name_settings_that_there_are(path: Path) -> None:
    known = {PREFIX + name.upper() for name in Settings.__dataclass_fields__}
    named = set(re.findall(rf"\b{PREFIX}[A-Z_]+\b", path.read_text()))
    assert named <= known


def test_every_process_has_a_unit_that_the_target_wants() -> None:
    target = (DEPLOY / "systemd" / "callrouter.target").read_text()
    for name in ("presence", "media", "voice", "router"):
        unit = (DEPLOY / "systemd" / f"callrouter-{name}.service").read_text()
        assert f"callrouter-{name}.service" in target
        assert f"/opt/callrouter/bin/callrouter run {name}\n" in unit
        assert "NoNewPrivileges=yes" in unit


def _tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not on this machine")
    return found


def _check(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_prometheus_takes_the_rules() -> None:
    promtool = _tool("promtool")
    _check(promtool, "check", "rules", str(DEPLOY / "monitoring" / "alerts.yml"))
    _check(promtool, "check", "config", "--syntax-only", str(DEPLOY / "monitoring" / "prometheus.yml"))


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    """As they are, but for where the program and its settings are."""
    verify = _tool("systemd-analyze")
    for unit in UNITS:
        if unit.suffix in (".service", ".target"):
            text = unit.read_text().replace("/opt/callrouter/bin/callrouter", "/bin/true")
            (tmp_path / unit.name).write_text(text.replace("User=callrouter", "User=daemon"))
    said = _check(
        verify, "verify", "--man=no", "--recursive-errors=no", *map(str, sorted(tmp_path.glob("*")))
    )
    assert "callrouter" not in said, said

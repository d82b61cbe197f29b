"""The sample app that is tested by the plug-in: its tests pass, and one that fails says why."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

APP = Path(__file__).parents[2] / "examples" / "tested_app"
SECONDS = 280
FAILING = """
def test_fails(router):
    router.call("+14155550100", "+14155550199").hears("Press nine", within=3)
"""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def run(folder: Path, *arguments: str, ci: bool = False) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if name not in ("CI", "BUILD_NUMBER")}
    env.update({"CI": "true"} if ci else {}, COLUMNS="80", PYTHONDONTWRITEBYTECODE="1")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, timeout=SECONDS, check=False
    )


def test_the_sample_tests_pass() -> None:
    passed = run(APP, "-q", "-n", "2")
    assert passed.returncode == 0, passed.stdout + passed.stderr
    assert "5 passed" in passed.stdout


@pytest.mark.parametrize("ci", [False, True])
def test_a_failure_is_one_line_and_a_ladder(ci: bool, tmp_path: Path) -> None:
    folder = shutil.copytree(APP, tmp_path / "app")
    (folder / "tests" / "test_app.py").write_text(FAILING)
    (folder / "tests" / "support.scenario").write_text("+14155550100 calls +14155550199\n  heers\n")
    failed = run(folder, ci=ci)
    lines = failed.stdout.splitlines()
    summary = lines[lines.index(next(line for line in lines if "short test summary" in line)) + 1 :]
    assert failed.returncode == 1, failed.stdout
    assert len(summary) == 3, summary
    assert summary[0].startswith("FAILED tests/support.scenario::support - callrouter.Differs: support.")
    assert summary[1].startswith("FAILED tests/test_app.py::test_fails - callrouter.Differs: +1415")
    if ci:
        assert 'it was told "Press one for sales, two for support."' in summary[1]
    assert failed.stdout.count("callrouter: what happened") == 2
    assert "router → +14155550100  say Press one for sales" in failed.stdout
    assert "concurrent" not in failed.stdout

"""Failpoints: the named places where tests let a process die (reliability-security 3.4, rule 2)."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
from foundation.failpoints import failpoint
for name in ("IC1", "IC2", "IC1", "IC2"):
    failpoint(name)
    print("after", name, flush=True)
"""


def run(**environment: str) -> tuple[int, list[str]]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("FAILPOINT")}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**clean, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, [line.removeprefix("after ") for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    ("armed", "passed"),
    [
        ("IC1", []),
        ("IC2", ["IC1"]),
        ("IC1:2", ["IC1", "IC2"]),
        ("IC2:2", ["IC1", "IC2", "IC1"]),
    ],
)
def test_an_armed_failpoint_kills_at_its_pass(armed: str, passed: list[str]) -> None:
    assert run(FAILPOINT=armed) == (-signal.SIGKILL, passed)


def test_a_file_arms_a_process_that_runs(tmp_path: Path) -> None:
    armed = tmp_path / "armed"
    assert run(FAILPOINT=f"@{armed}") == (0, ["IC1", "IC2", "IC1", "IC2"])
    armed.write_text("IC1:2:whatever")
    assert run(FAILPOINT=f"@{armed}") == (-signal.SIGKILL, ["IC1", "IC2"])


@pytest.mark.parametrize("armed", ["", "IC1:3", "IC9"])
def test_otherwise_nothing_happens(armed: str) -> None:
    assert run(FAILPOINT=armed) == (0, ["IC1", "IC2", "IC1", "IC2"])


def test_the_log_names_every_pass(tmp_path: Path) -> None:
    log = tmp_path / "passed"
    run(FAILPOINT_LOG=str(log), FAILPOINT="IC1:2")
    assert log.read_text().split() == ["IC1", "IC2", "IC1"]

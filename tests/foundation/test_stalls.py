"""Tests of real time, on a machine that stands still."""

import subprocess
import sys
from pathlib import Path

CONFTEST = """
from tests.support import stalls
from tests.support.stalls import pytest_runtest_protocol

stalls.STALL = 0.3
"""
STANDS_STILL = """
import os, signal, subprocess, time

def stand_still():
    subprocess.Popen(["sh", "-c", f"sleep 0.6; kill -CONT {os.getpid()}"])
    os.kill(os.getpid(), signal.SIGSTOP)
"""


def outcome(folder: Path, test: str) -> str:
    """What pytest says of one file."""
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "test_it.py").write_text(f"import pytest\n{STANDS_STILL}\nattempts = []\n{test}")
    options = ["-p", "no:cacheprovider", "-p", "no:xdist", "-q", "-c", "/dev/null", "--rootdir", str(folder)]
    program = [sys.executable, "-W", "ignore", "-m", "pytest", *options, str(folder)]
    return subprocess.run(program, capture_output=True, text=True, timeout=60, check=False).stdout


def test_a_failure_in_a_stall_is_void_and_the_test_is_made_again(tmp_path: Path) -> None:
    said = outcome(
        tmp_path,
        """
@pytest.mark.real_time
def test_once(tmp_path):
    attempts.append(tmp_path)
    if len(attempts) == 1:
        stand_still()
        assert False

def test_after_it():
    assert len(set(attempts)) == 2, "each attempt has fixtures of its own"
""",
    )
    assert "2 passed" in said, said


def test_the_third_failure_counts(tmp_path: Path) -> None:
    said = outcome(
        tmp_path,
        """
@pytest.mark.real_time
def test_always():
    attempts.append(1)
    stand_still()
    assert not "this", f"at attempt {len(attempts)}"
""",
    )
    assert "1 failed" in said, said
    assert "at attempt 3" in said, said


def test_without_a_stall_or_a_mark_the_first_failure_counts(tmp_path: Path) -> None:
    said = outcome(
        tmp_path,
        """
@pytest.mark.real_time
def test_computes():
    attempts.append(1)
    began = time.process_time()
    while time.process_time() - began < 0.4:
        pass
    assert not "this", f"at attempt {len(attempts)}"

def test_no_mark():
    stand_still()
    attempts.append(1)
    assert not "that", f"at attempt {len(attempts)}"
""",
    )
    assert "2 failed" in said, said
    assert "at attempt 1" in said, said
    assert "at attempt 2" in said, said

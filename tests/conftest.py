"""What tests of all folders share."""

import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support.postgresql import postgresql
from tests.support.stalls import TOLD, pytest_runtest_protocol

__all__ = ["postgresql", "pytest_runtest_protocol"]

HERE = Path(__file__).parent

settings.register_profile("untimed", deadline=None)  # no test fails because the machine is busy
settings.load_profile("untimed")

# Modules are compiled once, and not by each of the hundreds of processes that tests start.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


REAL_TIME = {HERE / "voice", HERE / "scenarios", HERE / "browser"}
"""Folders whose tests are judged by sound."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent in REAL_TIME:
            item.add_marker(pytest.mark.real_time)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many of the points at which a process can die were tried (tests/kill), and which tests were made again."""
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    told = [told for one in reports for told in getattr(one, "user_properties", [])]
    for name, title in (("killed", "processes killed"), (TOLD, "made again, for the machine stood still")):
        if lines := dict.fromkeys(line for topic, line in told if topic == name):
            terminalreporter.section(title)
            for line in lines:
                terminalreporter.write_line(line)

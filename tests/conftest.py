"""What tests of all folders share."""

import os
import sys

import pytest
from hypothesis import settings

from tests.support.postgresql import postgresql

__all__ = ["postgresql"]

settings.register_profile("untimed", deadline=None)  # no test fails because the machine is busy
settings.load_profile("untimed")

# Modules are compiled once, and not by each of the hundreds of processes that tests start.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many of the points at which a process can die were tried: see tests/kill."""
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    told = [
        value for one in reports for name, value in getattr(one, "user_properties", []) if name == "killed"
    ]
    if told:
        terminalreporter.section("processes killed")
        for line in dict.fromkeys(told):
            terminalreporter.write_line(line)

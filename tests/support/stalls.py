"""Tests that are judged by real time are void when the machine stood still under them, and are made again.

Sound leaves every 20 ms and is judged by what arrives. A machine that gives its cores to others for longer tears holes
into it that no program can mend. Here a failure counts unless such a stall was measured while the test ran: then the
test is made again, twice at most, and the end of the run tells which ones were. The last attempt always counts, so that
what fails by itself still fails.
"""

import gc
import sys
import threading
import time
import warnings

import pytest
from _pytest.runner import runtestprotocol

LOOK = 0.01  # seconds between two looks at the clock
STALL = 0.06  # seconds: three packets of sound
ATTEMPTS = 3
PATIENCE = 60.0  # seconds that all attempts may have taken when another one begins
TOLD = "made again"
"""The property of a report under which a repetition is told."""


class Watch(threading.Thread):
    """For how long this process was not run at all while it had something to do; its own computing is no stall."""

    longest = 0.0
    """Seconds at a stretch."""
    total = 0.0
    """Seconds, together."""

    def __init__(self) -> None:
        super().__init__(name="stalls", daemon=True)
        self._over = threading.Event()

    def __enter__(self) -> "Watch":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()

    def run(self) -> None:
        looked, worked = time.monotonic(), time.process_time()
        while not self._over.wait(LOOK):
            now, work = time.monotonic(), time.process_time()
            late = max(0.0, now - looked - LOOK - (work - worked))
            self.longest, self.total = max(self.longest, late), self.total + late
            looked, worked = now, work


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Import it into the conftest above all tests that bear the mark `real_time`."""
    if item.get_closest_marker("real_time") is None:
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    began = time.monotonic()
    for attempt in range(1, ATTEMPTS + 1):
        with Watch() as watch:
            reports = runtestprotocol(item, log=False, nextitem=nextitem)
        void = any(report.failed for report in reports) and watch.longest > STALL
        if not void or attempt == ATTEMPTS or time.monotonic() - began > PATIENCE:
            break
        item.user_properties.append(
            (TOLD, f"{item.nodeid}: the machine stood still for {watch.longest:.2f} s")
        )
        _forget()
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def _forget() -> None:
    """What a failed attempt left open is closed without a word: it was not given the time to do it."""
    for name in ("last_exc", "last_type", "last_value", "last_traceback"):
        vars(sys).pop(name, None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()

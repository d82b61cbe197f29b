"""The supervisor: starts again what dies, stops everything, and leaves no child behind, however it ends itself."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from callrouter import processes
from callrouter.demo.stage import environment
from callrouter.processes import NAMES, PAUSES, STOP_ORDER, Supervisor
from foundation.settings import address

SECONDS = 40

CHILD = """
import os, signal, sys
name, folder, mode = sys.argv[1:]
def log(word):
    with open(f"{folder}/{name}.{word}", "a") as file:
        file.write(f"{os.getpid()}\\n")
    with open(f"{folder}/order", "a") as file:
        file.write(f"{name} {word}\\n")
def stop(*_):
    log("stopped")
    sys.exit(0)
signal.signal(signal.SIGTERM, signal.SIG_IGN if mode == "deaf" else stop)
log("started")
if mode == "dies":
    sys.exit(3)
while True:
    signal.pause()
"""


class Folder:
    """What the children wrote about themselves."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def command(self, mode: str) -> Callable[[str], Sequence[str]]:
        return lambda name: [sys.executable, "-c", CHILD, name, str(self.path), mode]

    def pids(self, name: str, word: str = "started") -> list[int]:
        file = self.path / f"{name}.{word}"
        return [int(line) for line in file.read_text().split()] if file.exists() else []

    def order(self, word: str) -> list[str]:
        lines = (self.path / "order").read_text().splitlines()
        return [line.split()[0] for line in lines if line.endswith(word)]

    async def all_run(self, supervisor: Supervisor) -> None:
        """Each child has said so, and the supervisor knows of it."""
        await self.until(lambda: all(self.pids(name) and name in supervisor.children for name in NAMES))

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(SECONDS):
            while not true():
                await asyncio.sleep(0.01)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def alive(pid: int) -> bool:
    """Whether the process runs; a zombie that nobody has waited for does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout
    return bool(state) and not state.startswith("Z")


def supervise(supervisor: Supervisor, situation: Callable[[], Awaitable[None]]) -> None:
    """Runs the supervisor, stops it after the situation, and waits until it has ended."""

    async def main() -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(supervisor.run(stop))
        try:
            await situation()
        finally:
            stop.set()
            async with asyncio.timeout(SECONDS):
                await running

    asyncio.run(main())


def test_all_start_and_all_stop_the_router_first(folder: Folder) -> None:
    supervisor = Supervisor(command=folder.command("good"))
    supervise(supervisor, lambda: folder.all_run(supervisor))
    assert sorted(folder.order("started")) == sorted(NAMES)
    assert folder.order("stopped") == list(STOP_ORDER)
    assert not any(alive(pid) for name in NAMES for pid in folder.pids(name))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_what_dies_is_started_again_alone(number: signal.Signals, folder: Folder) -> None:
    async def one_dies() -> None:
        await folder.until(lambda: all(folder.pids(name) for name in NAMES))
        os.kill(folder.pids("voice")[0], number)
        await folder.until(lambda: len(folder.pids("voice")) == 2)

    supervise(Supervisor(command=folder.command("good")), one_dies)
    assert [len(folder.pids(name)) for name in ("router", "presence", "voice")] == [1, 1, 2]
    assert not any(alive(pid) for name in NAMES for pid in folder.pids(name))


def test_what_dies_at_once_is_started_with_growing_pauses(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert list(PAUSES) == sorted(set(PAUSES))
    told: list[float] = []
    monkeypatch.setattr(processes, "PAUSES", (0.01, 0.02, 0.03))
    monkeypatch.setattr(
        processes.log, "warning", lambda _what, **values: told.append(values["restart_in"]), raising=False
    )

    async def many_deaths() -> None:
        await folder.until(lambda: len(told) >= 5)

    supervise(Supervisor(names=["voice"], command=folder.command("dies")), many_deaths)
    assert told[:5] == [0.01, 0.02, 0.03, 0.03, 0.03]


def test_a_program_that_cannot_start_is_tried_again(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[object] = []
    monkeypatch.setattr(processes, "PAUSES", (0.01,))
    monkeypatch.setattr(
        processes.log, "warning", lambda _what, **values: told.append(values["status"]), raising=False
    )

    async def many_failures() -> None:
        await folder.until(lambda: len(told) >= 3)

    supervise(
        Supervisor(names=["router"], command=lambda _name: [str(folder.path / "nothing")]), many_failures
    )
    assert told[0] == "not started: No such file or directory"


def test_a_stop_during_the_start_leaves_nobody(folder: Folder) -> None:
    async def at_once() -> None:
        await asyncio.sleep(0)

    supervisor = Supervisor(command=folder.command("good"))
    supervise(supervisor, at_once)
    assert not any(alive(child.pid) for child in supervisor.children.values())
    assert not any(alive(pid) for name in NAMES for pid in folder.pids(name))


def test_who_does_not_listen_is_killed_within_a_bound(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "STOP_SECONDS", 0.2)

    async def started() -> None:
        await folder.until(lambda: bool(folder.pids("voice")))

    supervise(Supervisor(names=["voice"], command=folder.command("deaf")), started)
    assert not alive(folder.pids("voice")[0])


def test_a_cancelled_supervisor_leaves_nobody(folder: Folder) -> None:
    async def main() -> None:
        supervisor = Supervisor(command=folder.command("good"))
        running = asyncio.create_task(supervisor.run(asyncio.Event()))
        await folder.all_run(supervisor)
        running.cancel()
        await asyncio.wait([running], timeout=SECONDS)

    asyncio.run(main())
    assert folder.order("stopped") == list(STOP_ORDER)
    assert not any(alive(pid) for name in NAMES for pid in folder.pids(name))


# -- the whole thing


@dataclass(frozen=True, kw_only=True)
class Up:
    """`callrouter up` on ports and in a folder of its own."""

    process: subprocess.Popen[bytes]
    router: tuple[str, int]
    log: Path

    def serves(self) -> bool:
        try:
            socket.create_connection(self.router, 1).close()
        except OSError:
            return False
        return True


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CALLROUTER_")}
    settings = environment(tmp_path / "var")
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "callrouter", "up"],
            env={**clean, **settings},
            stdout=output,
            stderr=output,
        )
    yield Up(process=process, router=address(settings["CALLROUTER_ROUTER_BIND"]), log=log)
    process.kill()
    process.wait(SECONDS)


def children(pid: int) -> dict[int, str]:
    """Its child processes and their command lines."""
    table = subprocess.run(
        ["ps", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True
    ).stdout
    rows = [line.split(None, 2) for line in table.splitlines()]
    return {int(row[0]): row[2] for row in rows if int(row[1]) == pid and " run " in row[2]}


def wait_until(true: Callable[[], object], what: Callable[[], str]) -> None:
    ends = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < ends, what()
        time.sleep(0.05)  # polls the table of processes, which tells nobody of its changes


@pytest.mark.parametrize(
    ("number", "early"),
    [(signal.SIGTERM, False), (signal.SIGINT, True), (signal.SIGKILL, False), (signal.SIGKILL, True)],
)
def test_up_leaves_no_process_behind(number: signal.Signals, early: bool, up: Up) -> None:
    """Even when `up` itself is killed and has no last word; `early`: while its children are still starting. (What
    SIGTERM and SIGINT do to a process that serves is one and the same: a test of `stop_on_signals` shows it.)"""
    wait_until(
        lambda: len(children(up.process.pid)) == len(NAMES), lambda: f"all children: {up.log.read_text()}"
    )
    if not early:
        wait_until(up.serves, lambda: f"the router serves: {up.log.read_text()}")
    family = children(up.process.pid)
    up.process.send_signal(number)
    assert up.process.wait(SECONDS) == (-number if number is signal.SIGKILL else 0)
    wait_until(lambda: not any(alive(pid) for pid in family), lambda: f"all have ended: {family}")

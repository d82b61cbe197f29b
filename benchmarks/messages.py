"""How many durable messages a second this machine takes in, gives to carriers, and carries from end to end.

    python -m benchmarks.messages [--quick] [--concurrency 32]

Messages come by `outgoing.submit` and by REST into the queues of three carriers; the queues are emptied; then whole
ones: REST, queue, carrier, delivery report. Router and presence server are real processes with durable settings; apps
and carriers are one bare asyncio loop. The floor is the same rows by the same group commit (`messages_floor.py`).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection

from benchmarks.calls import at, bar
from benchmarks.messages_floor import Floor, Spent, rows_of, written
from benchmarks.messages_load import SECRET, Load
from callrouter.directory import carriers
from callrouter.messages import outgoing
from callrouter.messages.outgoing import Submission
from foundation.db import Database, later
from foundation.sids import CARRIER, MESSAGE, new_sid
from migrations import runner
from tests.support.deployment import Deployment, Tenant

T = TypeVar("T")

CARRIERS = ("first", "second", "third")
WINDOW = 32
"""Messages under way to one carrier at once."""
EMPTY_SECONDS = 300.0
"""The longest that emptying the queues may take."""


async def run(deployment: Deployment, options: argparse.Namespace) -> bool:
    """Everything, printed as it comes; False when a message went wrong."""
    deployment.start("presence")
    tenant = deployment.tenant()
    host, _, port = deployment.router_url.removeprefix("http://").partition(":")
    load = Load((host, int(port)))
    await load.start()
    try:
        load.account, load.token, load.number = tenant.sid, tenant.auth_token, tenant.number()
        for name in CARRIERS:
            known(deployment, name, f"{load.url}/{name}")
        total, seconds = (300, 3.0) if options.quick else (4_000, 15.0)
        entered = await asyncio.to_thread(submit, deployment, tenant, load, total)
        floor = await asyncio.to_thread(floor_of, deployment)
        enter = await asyncio.to_thread(floor.enter)
        against("`outgoing.submit`", entered, enter)
        await asyncio.to_thread(deployment.start, "router")
        created, spent = await saturate(deployment, load.create, options.concurrency, seconds, load)
        against("REST create, carriers say not now", spent, enter)
        wanted = total + len(created)
        open_gates(deployment, load)
        async with asyncio.timeout(EMPTY_SECONDS):
            await load.has(1)
            meter = Meter(deployment)
            await load.has(wanted)
        spent, handed = meter.spent(wanted), await asyncio.to_thread(floor.hand_over)
        against("hand-over to three carriers", spent, handed)
        print("  of which " + ", ".join(f"{name} {load.taken[name] / spent.clock:.0f}" for name in CARRIERS))
        load.reports = True
        whole, spent = await saturate(deployment, load.whole, options.concurrency, seconds, load)
        against("end to end", spent, enter + handed + await asyncio.to_thread(floor.report))
        for what in ("answered", "handed", "reported"):
            times = sorted(getattr(one, what) * 1000 for one in whole)
            print(f"  POST to {what:9} p50 {at(times, 50):.1f} ms, p99 {at(times, 99):.1f} ms")
    finally:
        await load.close()
    for fault in load.faults[:5]:
        print("FAULT", fault)
    bar("messages that went wrong", len(load.faults), "0", not load.faults)
    return not load.faults


def known(deployment: Deployment, name: str, url: str) -> None:
    sealed = deployment.keys.seal(SECRET)
    deployment.write(
        lambda connection: carriers.create(
            connection,
            name=name,
            sid=new_sid(CARRIER),
            control_url=url,
            secret_sealed=sealed,
            now=time.time(),
            message_window=1,
        )
    )


def open_gates(deployment: Deployment, load: Load) -> None:
    """Until now the carriers said "not now" to one message a second."""
    load.open = True

    def unit(connection: Connection) -> None:
        for name in CARRIERS:
            carriers.change(connection, name, now=time.time(), message_window=WINDOW)

    deployment.write(unit)


def submit(deployment: Deployment, tenant: Tenant, load: Load, total: int) -> Spent:
    """So many messages by the call that is behind REST, replies and the CLI; no router runs yet."""

    def unit(connection: Connection, wanted: Submission) -> object:
        return outgoing.submit(connection, wanted, time.time(), owner="", random=random.random, put=later)

    submissions = [
        Submission(
            account_sid=tenant.sid,
            sid=new_sid(MESSAGE),
            direction="outbound-api",
            from_=load.number,
            to=load.phone(),
            body=f"The news, part {number}",
        )
        for number in range(total)
    ]
    writes = [partial(unit, wanted=wanted) for wanted in submissions]
    return written(deployment.database, writes, tenant.sid)


def floor_of(deployment: Deployment) -> Floor:
    """For messages such as are stored by now, in a database of its own."""
    url = f"sqlite:///{deployment.folder}/floor.sqlite3"
    runner.upgrade(url, "callrouter")
    return Floor(Database(url), rows_of(deployment.database))


async def saturate(
    deployment: Deployment, act: Callable[[], Awaitable[T]], many: int, seconds: float, load: Load
) -> tuple[list[T], Spent]:
    """So many apps, each of which sends again as soon as it may: what came of it, and what the router spent."""
    ends, results, meter = time.perf_counter() + seconds, list[T](), Meter(deployment)

    async def app() -> None:
        while time.perf_counter() < ends:
            try:
                results.append(await act())
            except (OSError, ValueError) as error:
                load.faults.append(f"{type(error).__name__} {error}")
                await asyncio.sleep(1)

    await asyncio.gather(*(app() for _ in range(many)))
    return results, meter.spent(len(results))


class Meter:
    """What the router spends from now on."""

    def __init__(self, deployment: Deployment) -> None:
        self._stat = Path(f"/proc/{deployment.processes['router'].pid}/stat")
        self._clock, self._cpu = time.perf_counter(), self._used()

    def spent(self, messages: int) -> Spent:
        return Spent(messages=messages, clock=time.perf_counter() - self._clock, cpu=self._used() - self._cpu)

    def _used(self) -> float:
        """User and system seconds so far; Linux only, else NaN."""
        try:
            fields = self._stat.read_text().rpartition(")")[2].split()
        except OSError:
            return float("nan")
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def against(what: str, ours: Spent, floor: Spent) -> None:
    print(f"{what}: {ours.rate:.0f} messages/s; floor {floor.rate:.0f}, ratio {ours.rate / floor.rate:.2f}")
    print(
        f"  CPU µs each: {ours.each * 1e6:.0f}; floor {floor.each * 1e6:.0f}, ratio {floor.each / ours.each:.2f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="under half a minute, and less exact")
    parser.add_argument("--concurrency", type=int, default=32, help="REST clients at once")
    options = parser.parse_args()
    print(f"{os.cpu_count()} CPUs; SQLite, synchronous=FULL")
    with tempfile.TemporaryDirectory(prefix="callrouter-bench-") as folder:
        deployment = Deployment(Path(folder), log_level="warning")
        try:
            good = asyncio.run(run(deployment, options))
        finally:
            deployment.close()
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()

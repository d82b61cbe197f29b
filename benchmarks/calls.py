"""How many durable call set-ups a second this machine carries, and how soon a client rings.

    python -m benchmarks.calls [--quick] [--concurrency 64] [--postgresql URL]

One set-up: a carrier's signed webhook, the TwiML of the customer's app, the presence look-up and the invite over
HTTP, the ring over a real wss socket, the client's answer, the bridge, four status callbacks, the hang-up at both ends.
Router, presence server and voice node are real processes with durable settings. The floor is the router replaced by
a process that makes the same requests and writes the same rows, and decides nothing (`calls_floor.py`).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from sqlalchemy import create_engine, make_url, text

from benchmarks.calls_load import CARRIER, SECRET, Load
from callrouter.directory import carriers
from foundation.sids import CARRIER as CARRIER_SID
from foundation.sids import new_sid
from tests.support.deployment import Deployment, Tenant

BAR_RATE, BAR_FLOOR, BAR_P50, BAR_P99 = 400, 0.5, 15, 60
WARM_UP = 1.5


@dataclass(frozen=True, kw_only=True)
class Run:
    """One measured stretch: whole calls a second, CPU µs of each process per call, times in ms."""

    rate: float
    cpu: dict[str, float]
    load_share: float
    ring: list[float]
    total: list[float]


async def measure(
    deployment: Deployment, load: Load, seconds: float, *, rate: float | None, many: int
) -> Run:
    """Calls for `seconds` after a warm-up: closed loop, or `rate` calls a second."""
    work = load.saturate(many, WARM_UP + seconds) if rate is None else load.offer(rate, WARM_UP + seconds)
    task = asyncio.create_task(work)
    await asyncio.sleep(WARM_UP)
    first, began, before, own = len(load.finished), time.perf_counter(), _cpu(deployment), time.process_time()
    await asyncio.sleep(seconds - 0.05)
    done = load.finished[first:]
    wall, after, own = time.perf_counter() - began, _cpu(deployment), time.process_time() - own
    await task
    calls = max(1, len(done))
    return Run(
        rate=len(done) / wall,
        cpu={
            **{name: (after[name] - before[name]) / calls * 1e6 for name in after},
            "load": own / calls * 1e6,
        },
        load_share=own / wall,
        ring=sorted(one.ring * 1000 for one in done),
        total=sorted(one.total * 1000 for one in done),
    )


def _cpu(deployment: Deployment) -> dict[str, float]:
    """User and system seconds of each process so far, where the system tells."""
    used = {}
    for name, process in deployment.processes.items():
        try:
            fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        used[name] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return used


async def run(deployment: Deployment, options: argparse.Namespace) -> bool:
    """Everything, printed as it comes; False when a call went wrong."""
    deployment.start("presence", "voice", "router")
    tenant = deployment.tenant()
    host, _, port = deployment.router_url.removeprefix("http://").partition(":")
    load = Load((host, int(port)))
    await load.start()
    try:
        load.number = provision(deployment, tenant, load.url)
        tls = ssl.create_default_context(cafile=deployment.ca)
        tokens = [tenant.token(f"c{number}") for number in range(2 * options.concurrency)]
        await load.connect(f"wss://{deployment.signal}/signal", tls, tokens)
        seconds = 3.0 if options.quick else 15.0
        full = await measure(deployment, load, seconds, rate=None, many=options.concurrency)
        show(f"saturation, {options.concurrency} callers", full)
        half = await measure(deployment, load, seconds, rate=full.rate / 2, many=0)
        show(f"half load, {full.rate / 2:.0f} calls/s offered", half)
        floor = None
        if not options.no_floor:
            deployment.stop("router")
            load.another_router((host, int(port)))
            start_floor(deployment)
            floor = await measure(deployment, load, seconds, rate=None, many=options.concurrency)
            show("floor: same HTTP and SQL, no logic", floor)
    finally:
        await load.close()
    for fault in load.faults[:5]:
        print("FAULT", fault)
    print()
    bar("set-ups/s at saturation", full.rate, f">= {BAR_RATE}", full.rate >= BAR_RATE)
    if floor:
        ratio = full.rate / floor.rate
        bar("ratio to the floor", ratio, f">= {BAR_FLOOR}", ratio >= BAR_FLOOR)
        if "router" in full.cpu and "router" in floor.cpu:
            ratio = floor.cpu["router"] / full.cpu["router"]
            bar(
                "the same by CPU time, however busy the machine is",
                ratio,
                f">= {BAR_FLOOR}",
                ratio >= BAR_FLOOR,
            )
    bar("POST to ring at half load, p50 ms", at(half.ring, 50), f"<= {BAR_P50}", at(half.ring, 50) <= BAR_P50)
    bar("POST to ring at half load, p99 ms", at(half.ring, 99), f"<= {BAR_P99}", at(half.ring, 99) <= BAR_P99)
    return not load.faults


def provision(deployment: Deployment, tenant: Tenant, url: str) -> str:
    """The carrier and a number whose app is the load's; answers the number."""
    sealed = deployment.keys.seal(SECRET)
    deployment.write(
        lambda connection: carriers.create(
            connection,
            name=CARRIER,
            sid=new_sid(CARRIER_SID),
            control_url=f"{url}/carrier",
            secret_sealed=sealed,
            now=time.time(),
        )
    )
    return tenant.number(f"{url}/voice")


def start_floor(deployment: Deployment) -> None:
    """The bare loop, on the router's address."""
    environment = {**os.environ, **deployment.environment}
    command = [sys.executable, "-m", "benchmarks.calls_floor"]
    with (deployment.folder / "floor.log").open("ab") as log:
        deployment.processes["router"] = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    deployment.wait_until(lambda: deployment._answers("router"), "the floor is up")


def show(title: str, run: Run) -> None:
    print(f"\n{title}: {run.rate:.0f} set-ups/s")
    print(f"  POST to ring   p50 {at(run.ring, 50):.1f} ms, p99 {at(run.ring, 99):.1f} ms")
    print(f"  POST to end    p50 {at(run.total, 50):.1f} ms, p99 {at(run.total, 99):.1f} ms")
    if "router" in run.cpu:
        print(f"  router         {1e6 / run.cpu['router']:.0f} set-ups/s per core of its own")
    cpu = ", ".join(f"{name} {used:.0f}" for name, used in run.cpu.items())
    print(f"  CPU µs/set-up  {cpu} (the load took {run.load_share:.0%} of a core)")


def bar(what: str, value: float, wanted: str, good: bool) -> None:
    print(f"{'ok  ' if good else 'MISS'} {what}: {value:.3g} (bar {wanted})")


def at(values: list[float], percent: int) -> float:
    """That percentile of sorted values; NaN of none."""
    return values[min(len(values) - 1, len(values) * percent // 100)] if values else float("nan")


@contextmanager
def databases(server: str) -> Iterator[dict[str, str]]:
    """Settings of two new databases on that PostgreSQL server, which are dropped at the end; none: SQLite."""
    if not server:
        yield {}
        return
    names = {name: f"callrouter_bench_{name}_{uuid4().hex[:8]}" for name in ("router", "presence")}
    url = make_url(server).set(drivername="postgresql+psycopg")
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            for name in names.values():
                connection.execute(text(f"CREATE DATABASE {name}"))
        yield {
            f"{key}_database": url.set(database=name).render_as_string(hide_password=False)
            for key, name in names.items()
        }
    finally:
        with engine.connect() as connection:
            for name in names.values():
                connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        engine.dispose()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="under half a minute, and less exact")
    parser.add_argument("--concurrency", type=int, default=64, help="calls being set up at once")
    parser.add_argument("--postgresql", default="", metavar="URL", help="a server to make two databases on")
    parser.add_argument("--no-floor", action="store_true", help="measure the real router only")
    options = parser.parse_args()
    print(f"{os.cpu_count()} CPUs; {'PostgreSQL' if options.postgresql else 'SQLite, synchronous=FULL'}")
    with (
        tempfile.TemporaryDirectory(prefix="callrouter-bench-") as folder,
        databases(options.postgresql) as urls,
    ):
        deployment = Deployment(
            Path(folder), voice_rtp_ports="30000-33999", voice_max_legs=2000, log_level="warning", **urls
        )
        try:
            good = asyncio.run(run(deployment, options))
        finally:
            deployment.close()
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()

"""How fast presence is, each figure beside a floor that was measured in the same run.

    python -m benchmarks.presence [--quick] [--database URL]

Registrations over sockets and HTTP against a bare INSERT by the same group commit; single look-ups over HTTP against a
Flask view behind the same bridge that does nothing; a 1,000-name query against its SQL alone, asked again and again as
a roster that is on show does, and asked when every device has refreshed since the last time. Server and load generator
are two processes. The bars are those of the design: 1,500 and 3,000 a second, 20 ms. Where `redis-server` and
`kamailio` are on the PATH (Debian's packages are called `redis-server` and `kamailio`), they do such work beside it.

Rates are operations per second of the server's CPU time, which is what one core can do however busy the machine is; the
rate by the clock stands beside it and shows mostly how fast the load generator is.
"""

import argparse
import asyncio
import http.client
import logging
import multiprocessing
import os
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jwt
from flask import Flask
from sqlalchemy import text

from benchmarks.presence_peers import kamailio_registers, redis_reads
from benchmarks.presence_sockets_load import Device, opened
from foundation import logs
from foundation.db import Database
from foundation.keys import Keys
from foundation.settings import Settings
from foundation.webserver.bridge import WsgiBridge
from foundation.webserver.serve import Listener, serve
from foundation.webserver.service import service_token
from migrations import runner
from presence.client import PresenceClient
from presence.nodes import Nodes
from presence.reading.snapshots import snapshot
from presence.registration import Endpoint
from presence.server import run_presence
from presence.signalling.holdings import Holdings
from presence.signalling.ledger import Ledger
from presence.store import Store

ACCOUNT, KEY, SECRET, MASTER = "AC" + "0" * 32, "SK" + "1" * 32, "s" * 32, "k" * 40
CONNECTIONS = 16

Request = tuple[str, str, str, dict[str, str]]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def token(identity: str) -> str:
    now = int(time.time())
    claims = {
        "jti": f"{KEY}-{now}",
        "iss": KEY,
        "sub": ACCOUNT,
        "exp": now + 3600,
        "grants": {"identity": identity, "voice": {"incoming": {"allow": True}}},
    }
    return jwt.encode(claims, SECRET, "HS256", headers={"cty": "twilio-fpa;v=1"})


def run_server(settings: Settings) -> None:
    logs.configure(settings, "presence")
    asyncio.run(run_presence(settings, asyncio.Event()))


def run_hello(port: int) -> None:
    logging.disable()
    app = Flask("hello")

    @app.get("/<path:_any>")
    def hello(_any: str) -> dict[str, Any]:
        return {"status": "available", "available": True, "endpoints": [{"endpoint_id": "e"}] * 3}

    asyncio.run(serve(WsgiBridge(app), [Listener(bind=f"127.0.0.1:{port}")], asyncio.Event()))


@contextmanager
def process(target: Callable[..., None], *args: Any, port: int) -> Iterator[int]:
    child = multiprocessing.get_context("spawn").Process(target=target, args=args, daemon=True)
    child.start()
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        assert child.pid is not None
        yield child.pid
    finally:
        child.kill()
        child.join()


@dataclass(frozen=True, kw_only=True)
class Rate:
    """Operations per second of the server's CPU, and by the clock."""

    per_core: float
    clock: float


def measured(pid: int, work: Callable[[], int]) -> Rate:
    """Does the work, which says how many operations it was."""
    cpu, clock = cpu_seconds(pid), time.perf_counter()
    count = work()
    clock = time.perf_counter() - clock
    cpu = cpu_seconds(pid) - cpu
    return Rate(per_core=count / (cpu or clock), clock=count / clock)


def cpu_seconds(pid: int) -> float:
    """Linux only; elsewhere the clock stands in for it."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def http_load(port: int, seconds: float, request: Callable[[int], Request]) -> int:
    """Requests over kept-alive connections, one thread each; how many there were."""
    done, stop = [0] * CONNECTIONS, time.monotonic() + seconds

    def work(worker: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        while time.monotonic() < stop:
            connection.request(*request(worker * 1_000_000 + done[worker]))
            answer = connection.getresponse()
            answer.read()
            assert answer.status in (200, 201), answer.status
            done[worker] += 1
        connection.close()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done)


async def socket_load(port: int, count: int) -> int:
    """Whole registrations over sockets: upgrade, listen, connected, register, ready."""
    tokens = [token(f"s{n}") for n in range(count)]
    devices = await opened(port, (partial(Device, port, given) for given in tokens))
    for device in devices:
        device.close()
    return count


def floor_writes(database: Database, count: int) -> float:
    """One INSERT per unit of the same group commit."""
    with database.writer_engine.begin() as connection:
        connection.execute(text("CREATE TABLE floor (n INTEGER PRIMARY KEY, t TEXT)"))
    began = time.perf_counter()

    def unit(n: int) -> "Future[Any]":
        return database.write(
            lambda c: c.execute(text("INSERT INTO floor VALUES (:n, 'x')"), {"n": n}).rowcount, str(n)
        )

    for waiting in [unit(n) for n in range(count)]:
        waiting.result()
    return count / (time.perf_counter() - began)


def fill(store: Store, names: int, each: int) -> None:
    now = time.time()
    waiting = [
        store.register(
            Endpoint(
                account_sid=ACCOUNT,
                client=f"q{n}",
                endpoint_id=f"e{m}",
                sid=f"RG{n:016x}{m:016x}",
                key_sid=KEY,
                token_expires_at=now + 3600,
                refreshed_at=now,
                expires_at=now + 3600,
            ),
            now,
        )
        for n in range(names)
        for m in range(each)
    ]
    for one in waiting:
        one.result()


def best_ms(work: Callable[[], Any], times: int) -> float:
    took = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        took.append(time.perf_counter() - began)
    return sorted(took)[times // 2] * 1000


def line(
    name: str, value: float, unit: str, floor: float, bar: float, *, less: bool = False, more: str = ""
) -> None:
    verdict = "ok" if (value <= bar if less else value >= bar) else "MISSED"
    print(
        f"{name:<28}{value:>9,.1f} {unit:<10} floor {floor:>9,.1f}  x{value / floor:<6.2f} bar {bar:>6,.0f}  "
        f"{verdict}{more}"
    )


def rate(name: str, value: Rate, floor: float, bar: float) -> None:
    line(name, value.per_core, "/s a core", floor, bar, more=f"  ({value.clock:,.0f}/s by the clock)")


def registration(n: int) -> Request:
    path = f"/v1/Accounts/{ACCOUNT}/Clients/h{n}/Registrations"
    return "POST", path, '{"endpoint_id": "e"}', {"Authorization": f"Bearer {token(f'h{n}')}"}


def lookup(kind: str, n: int, service: dict[str, str]) -> Request:
    return "GET", f"/v1/Accounts/{ACCOUNT}/{kind}/q{n % 1000}", "", service


def refresh(store: Store) -> None:
    """The heartbeats of all devices."""
    now = time.time()
    lives = {(ACCOUNT, f"q{n}", f"e{m}"): (now, now + 3600) for n in range(1000) for m in range(3)}
    holdings = Holdings(store, Ledger(store, ""), Nodes(store.database, ""))
    holdings.touch(lives).result()


def peers(over_http: Rate, lookups: Rate, query_ms: float, count: int) -> None:
    """How far away servers written in C are."""
    print("\nbeside it, without tokens, HTTP, JSON or anything on disk:")

    def show(what: str, value: float, unit: str, times: float) -> None:
        print(f"{what:<28}{value:>9,.1f} {unit:<10} ours costs {times:.0f} times as much")

    if redis := redis_reads(free_port(), 1000, cpu_seconds, 2.0):
        show("Redis, 1,000 names", redis[0], "ms of CPU", query_ms / redis[0])
        show("Redis, one name", redis[1], "/s a core", redis[1] / lookups.per_core)
    else:
        print("Redis: no redis-server here, or it does not start; nothing to compare with")
    if registers := kamailio_registers(free_port(), 10 * count, cpu_seconds):
        show("Kamailio, REGISTER over UDP", registers, "/s a core", registers / over_http.per_core)
    else:
        print("Kamailio: no kamailio here, or it does not start; nothing to compare with")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few seconds, for a smoke test")
    parser.add_argument("--database", default="", help="SQLAlchemy URL of an empty database; default SQLite")
    options = parser.parse_args()
    seconds, count, repeats = (1.0, 300, 5) if options.quick else (5.0, 4000, 30)
    with tempfile.TemporaryDirectory() as folder:
        port, hello = free_port(), free_port()
        settings = Settings(
            data_dir=Path(folder),
            presence_database_url=options.database,
            presence_bind=f"127.0.0.1:{port}",
            signal_bind="off",
            router_url="http://127.0.0.1:9",
            secret_keys=(MASTER,),
        )
        url = settings.database_url("presence")
        runner.upgrade(url, "presence")
        keys = Keys([MASTER])
        service = {"Authorization": f"Bearer {service_token(keys, 'presence', 'benchmark')}"}
        names = [f"q{n}" for n in range(1000)]
        with process(run_server, settings, port=port) as pid:
            client = PresenceClient(f"http://127.0.0.1:{port}", keys)
            client.put_account(ACCOUNT, "active", ["t" * 32], 1)
            client.put_key(ACCOUNT, KEY, SECRET, 1)
            over_sockets = measured(pid, lambda: asyncio.run(socket_load(port, count)))
            over_http = measured(pid, lambda: http_load(port, seconds, registration))
            database = Database(url)
            store = Store(database)
            fill(store, 1000, 3)
            looked_up, reached = (
                measured(pid, lambda: http_load(port, seconds, lambda n: lookup(kind, n, service)))  # noqa: B023
                for kind in ("Presence", "Reach")
            )

            def ask(*, anew: bool) -> int:
                for _ in range(repeats):
                    if anew:
                        refresh(store)
                    assert len(client.query(ACCOUNT, names).clients) == 1000
                return repeats

            ask(anew=False)
            again = measured(pid, lambda: ask(anew=False))
            anew = measured(pid, lambda: ask(anew=True))
            sql = best_ms(lambda: snapshot(database, ACCOUNT, names, time.time()), repeats)
            client.close()
        writes = floor_writes(database, count)
        database.close()
        with process(run_hello, hello, port=hello) as pid:
            nothing = measured(
                pid, lambda: http_load(hello, seconds, lambda n: lookup("Presence", n, service))
            )
    rate("registrations over sockets", over_sockets, writes, 1500)
    rate("registrations over HTTP", over_http, writes, 1500)
    rate("single look-ups: a client", looked_up, nothing.per_core, 3000)
    rate("single look-ups: whom to ring", reached, nothing.per_core, 3000)
    for name, queries in (("1,000 names x 3, again", again), ("1,000 names x 3, all new", anew)):
        line(name, 1000 / queries.per_core, "ms of CPU", sql, 20, less=True)
    peers(over_http, looked_up, 1000 / again.per_core, count)


if __name__ == "__main__":
    main()

"""What thousands of standing connections cost, each figure beside a floor that was measured in the same run.

    python -m benchmarks.presence_sockets [--quick] [--sockets N] [--subscribers N]

Registered sockets that do nothing: the server's memory and CPU, and how soon a call rings at one of them. The floor is
an app on the same web server that keeps the same sockets and does nothing else. Then one change of presence for a
thousand subscribers, by event streams and by sockets: until the last one has it. The floor is a thousand bare TCP
connections that asyncio writes to. Server and clients are two processes. Linux only: sizes come from /proc.

The bars are those of the design: 10,000 sockets at 25 kB each, a ring at p99 100 ms.
"""

import argparse
import asyncio
import os
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
import requests

from benchmarks.presence import ACCOUNT, KEY, MASTER, SECRET, cpu_seconds, free_port, process, run_server
from benchmarks.presence_sockets_floor import run_echo, run_tcp
from benchmarks.presence_sockets_load import Arrivals, Device, Stream, message, opened, quantile, raise_limit
from foundation.keys import Keys
from foundation.settings import Settings
from migrations import runner
from presence.client import PresenceClient, PresenceUnavailable

PAUSE = 0.02  # seconds between two rings
LONGEST = 10.0  # seconds for which a ring is waited for
WATCHED = "boss"
PERMISSIONS = ["presence:read:account", "events:subscribe"]


@dataclass(frozen=True, kw_only=True)
class Idle:
    """Sockets that do nothing, and calls that ring at them."""

    kilobytes: float
    cpu: float
    """share of a core, for all of them"""
    rings: list[float]


def token(identity: str) -> str:
    now = int(time.time())
    grants = {
        "identity": identity,
        "voice": {"incoming": {"allow": True}},
        "callrouter": {"permissions": PERMISSIONS},
    }
    claims = {"jti": f"{KEY}-{now}", "iss": KEY, "sub": ACCOUNT, "exp": now + 3600, "grants": grants}
    return jwt.encode(claims, SECRET, "HS256", headers={"cty": "twilio-fpa;v=1"})


def resident(pid: int) -> int:
    """Bytes of the process's memory that are really there."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


async def idle(
    pid: int, port: int, count: int, rest: float, rings: int, ringer: Callable[[int], Callable[[str], object]]
) -> Idle:
    """Opens the sockets, lets them be for `rest` seconds, then rings some of them. What `ringer` answers for the n-th
    of them makes a call of that SID ring there, and blocks."""
    heard: dict[str, asyncio.Future[float]] = {}

    def hear(payload: bytes) -> None:
        if payload.startswith(b'{"type":"invite"'):
            call_sid = payload.partition(b'"callsid":"')[2].partition(b'"')[0].decode()
            if call_sid in heard and not heard[call_sid].done():
                heard[call_sid].set_result(time.perf_counter())

    tokens = [token(f"d{n}") for n in range(count)]
    before = resident(pid)
    devices = await opened(port, [lambda given=given: Device(port, given, hear) for given in tokens])
    await asyncio.sleep(2)  # what opening them caused is over
    memory, cpu, clock = resident(pid), cpu_seconds(pid), time.perf_counter()
    await asyncio.sleep(rest)
    cpu = (cpu_seconds(pid) - cpu) / (time.perf_counter() - clock)
    times = []
    for n, target in enumerate(random.Random(1).choices(range(count), k=rings)):
        call_sid = f"CA{n:032x}"
        heard[call_sid] = asyncio.get_running_loop().create_future()
        ring, began = ringer(target), time.perf_counter()
        asking = asyncio.create_task(asyncio.to_thread(ring, call_sid))
        try:
            async with asyncio.timeout(LONGEST):
                times.append(await heard[call_sid] - began)
            await asking
        except (
            TimeoutError,
            PresenceUnavailable,
        ):  # shown, not thrown: the rest of the figures is worth having
            times.append(LONGEST)
        await asyncio.sleep(PAUSE)
    for device in devices:
        device.close()
    return Idle(kilobytes=(memory - before) / count / 1000, cpu=cpu, rings=times)


async def fan_out(
    port: int, count: int, make: Callable[[int], Callable[[], Any]], cause: Callable[[str], Any], times: int
) -> list[float]:
    """Seconds until the last of `count` connections has a change, several times over."""
    watchers = await opened(port, [make(n) for n in range(count)])
    took = []
    for n in range(times):
        marker, arrivals = f"mark-{n:04d}-", Arrivals(count)
        for watcher in watchers:
            watcher.expect(marker.encode(), arrivals.one)
        took.append(await arrivals.after(lambda marker=marker: cause(marker)))
        await asyncio.sleep(0.5)
    for watcher in watchers:
        watcher.close()
    return took


def streaming(path: str, first: bytes) -> Callable[[int], Callable[[], Stream]]:
    def make(n: int) -> Callable[[], Stream]:
        head = f"GET {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token(f'w{n}')}\r\n\r\n"
        return lambda: Stream(head.encode(), first)

    return make


def line(name: str, value: float, unit: str, floor: float, bar: float | None, more: str = "") -> None:
    verdict = "" if bar is None else f"bar {bar:>6,.0f}  {'ok' if value <= bar else 'MISSED'}"
    print(f"{name:<34}{value:>9,.1f} {unit:<11} floor {floor:>8,.1f}  {verdict}{more}")


def show_idle(count: int, ours: Idle, bare: Idle) -> None:
    line(f"{count:,} idle sockets, each", ours.kilobytes, "kB", bare.kilobytes, 25)
    line("all of them together", ours.cpu * 100, "% of core", bare.cpu * 100, None)
    for name, share, bar in (("ring, p50", 0.5, None), ("ring, p99", 0.99, 100)):
        mine, floor = quantile(ours.rings, share) * 1000, quantile(bare.rings, share) * 1000
        line(name, mine, "ms", floor, bar)


def show_fan_out(name: str, count: int, took: Sequence[float], floor: Sequence[float]) -> None:
    more = f"  (best {min(took) * 1000:,.1f}, worst {max(took) * 1000:,.1f})"
    line(
        f"{count:,} {name}", quantile(took, 0.5) * 1000, "ms to last", quantile(floor, 0.5) * 1000, None, more
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few seconds, for a smoke test")
    parser.add_argument("--sockets", type=int, default=0, help="idle sockets; default 10,000")
    parser.add_argument("--subscribers", type=int, default=0, help="subscribers of one change; default 1,000")
    options = parser.parse_args()
    count, rest, rings, times = (500, 5.0, 30, 3) if options.quick else (10_000, 30.0, 300, 15)
    count = raise_limit(options.sockets or count)
    subscribers = raise_limit(options.subscribers or (200 if options.quick else 1_000))
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        settings = Settings(
            data_dir=Path(folder),
            presence_bind=f"127.0.0.1:{port}",
            signal_bind="off",
            router_url="http://127.0.0.1:9",
            secret_keys=(MASTER,),
        )
        runner.upgrade(settings.database_url("presence"), "presence")
        with process(run_server, settings, port=port) as pid:
            client = PresenceClient(f"http://127.0.0.1:{port}", Keys([MASTER]))
            client.put_account(ACCOUNT, "active", ["t" * 32], 1)
            client.put_key(ACCOUNT, KEY, SECRET, 1)
            ours = asyncio.run(idle(pid, port, count, rest, rings, lambda n: ringer(client, n)))
            change = changing(port)
            path = f"/v1/Accounts/{ACCOUNT}/PresenceStream?clients={WATCHED}"
            streams = asyncio.run(
                fan_out(port, subscribers, streaming(path, b"event: presence"), change, times)
            )
            sockets = asyncio.run(fan_out(port, subscribers, watching(port), change, times))
            client.close()
    with process(run_echo, port := free_port(), port=port) as pid, requests.Session() as session:
        base = f"http://127.0.0.1:{port}/ring"
        bare = asyncio.run(
            idle(
                pid,
                port,
                count,
                rest,
                rings,
                lambda n: lambda call_sid: session.post(f"{base}/{n}/{call_sid}", timeout=10),
            )
        )
    with process(run_tcp, port := free_port(), port=port):
        written = asyncio.run(
            fan_out(
                port, subscribers, lambda _n: lambda: Stream(b"watch\n", b"welcome"), writing(port), times
            )
        )
    show_idle(count, ours, bare)
    show_fan_out("event streams, one change", subscribers, streams, written)
    show_fan_out("sockets, one change", subscribers, sockets, written)


def ringer(client: PresenceClient, n: int) -> Callable[[str], object]:
    """Calls for the n-th device as the router makes them: looked up, rung, and cancelled once they ring."""
    name = f"d{n}"

    def ring(call_sid: str) -> None:
        found = client.reach(ACCOUNT, name)
        client.invite(
            ACCOUNT,
            call_sid,
            name,
            [endpoint.endpoint_id for endpoint in found.targets[0].endpoints],
            sdp="v=0\r\n",
            ring_token="benchmark",
            expires_at=time.time() + 30,
            parameters={"From": "+15550100", "To": f"client:{name}"},
        )
        client.cancel_invite(ACCOUNT, call_sid)

    return ring


def changing(port: int) -> Callable[[str], Any]:
    """Something that sets the watched client's note."""
    url = f"http://127.0.0.1:{port}/v1/Accounts/{ACCOUNT}/Clients/{WATCHED}/Registrations"
    headers = {"Authorization": f"Bearer {token(WATCHED)}"}

    def change(note: str) -> None:
        body = {"endpoint_id": "desk", "ttl": 600, "note": note}
        requests.post(url, json=body, headers=headers, timeout=10).raise_for_status()

    return lambda marker: asyncio.to_thread(change, marker)


def watching(port: int) -> Callable[[int], Callable[[], Device]]:
    watch = message("subscribe", id="boss", clients=[WATCHED])
    return lambda n: lambda: Device(port, token(f"w{n}"), after=watch, first=b'"as_of"')


def writing(port: int) -> Callable[[str], Any]:
    async def write(marker: str) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"{marker}\n".encode())
        await writer.drain()
        writer.close()

    return write


if __name__ == "__main__":
    main()

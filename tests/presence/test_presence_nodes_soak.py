"""Two nodes, one killed every half minute, under registrations, rings, changes and a subscriber (PR-43, PR-81).

`SOAK_SECONDS` sets how long (600); nothing may be lost, ring on a dead socket, or grow.
"""

import asyncio
import json
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import requests
from nodes_world import Fleet, Node
from presence_world import SDP, SECONDS, Tenant, sid
from websockets.asyncio.client import connect

from tests.support.postgresql import Cluster

LENGTH = float(os.environ.get("SOAK_SECONDS", "600"))
KILL_EVERY, DEAD_FOR = 30.0, 4.0
CLIENTS = 40
SETTLED = 45.0
"""Seconds after the last death at which nobody may be rung on a dead socket."""
MOST_MEMORY, MOST_THREADS, MOST_FILES = 400 * 1024, 120, 400  # kB, threads, descriptors of a process

pytestmark = [pytest.mark.slow, pytest.mark.postgresql, pytest.mark.timeout(LENGTH + 300)]


@pytest.fixture
def fleet(postgresql: Cluster, tmp_path: Path) -> Iterator[Fleet]:
    running = Fleet(tmp_path, postgresql.database(), answer_grace=10.0).spawn()
    yield running
    running.close()


class Balancer:
    """Sends to a node that lives."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def node(self) -> Node:
        return random.choice([node for node in self._fleet.nodes if node.process is not None])

    @property
    def base(self) -> str:
        return str(self.node().settings.presence_base())


class Device:
    """A client app that always comes back, and notes which calls it was shown."""

    def __init__(self, balancer: Balancer, token: str) -> None:
        self._balancer, self._token = balancer, token
        self.shown: set[str] = set()
        self.since = float("inf")
        self.failed: Counter[str] = Counter()

    async def live(self) -> None:
        while True:
            try:
                async with asyncio.timeout(SECONDS):
                    url = f"ws://{self._balancer.node().settings.presence_bind}/signal"
                    socket = await connect(url, compression=None, ping_interval=None, close_timeout=1)
                async with socket:
                    await socket.send(json.dumps({"type": "listen", "payload": {"token": self._token}}))
                    await socket.send(json.dumps({"type": "register", "payload": {"media": {"audio": True}}}))
                    await self._stay(socket)
            except Exception as error:
                self.failed[type(error).__name__] += 1
            self.since = float("inf")
            await asyncio.sleep(random.uniform(0.1, 0.5))

    async def _stay(self, socket: Any) -> None:
        refreshed = time.monotonic()
        while True:
            async with asyncio.timeout(20):
                text = await socket.recv()
            if text == "\n":
                await socket.send("\n")
            elif (frame := json.loads(text))["type"] == "ready":
                self.since = min(self.since, time.monotonic())
            elif frame["type"] == "invite":
                self.shown.add(frame["payload"]["callsid"])
            elif frame["type"] in ("offline", "error"):
                self.failed[frame["type"]] += 1
                return
            if time.monotonic() - refreshed > 25:
                refreshed = time.monotonic()
                await socket.send(json.dumps({"type": "register", "payload": {"media": {"audio": True}}}))


class Subscriber:
    """Folds the stream of its account's changes, and resumes at whichever node lives."""

    def __init__(self, balancer: Balancer, tenant: Tenant) -> None:
        self._balancer, self._tenant = balancer, tenant
        self.state: dict[str, dict[str, Any]] = {}
        self.faults: list[str] = []
        self.cursor = ""
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.is_set():
            with suppress(requests.RequestException):
                self._read()
            self.over.wait(0.2)

    def _read(self) -> None:
        url = f"{self._balancer.base}/v1/Accounts/{self._tenant.account}/PresenceStream"
        headers = {"Last-Event-ID": self.cursor} if self.cursor else {}
        auth = (self._tenant.account, self._tenant.auth_token)
        with requests.get(url, headers=headers, auth=auth, stream=True, timeout=(1, 20)) as answer:
            for line in answer.iter_lines():
                if self.over.is_set():
                    return
                if line.startswith(b"data:") and b"as_of" in line:
                    self.fold(json.loads(line[5:]))

    def fold(self, message: dict[str, Any]) -> None:
        if message["snapshot"]:
            there = {event["client"]: event for event in message["clients"]}
            self.state = {name: event for name, event in self.state.items() if name in there}
        for event in message["clients"]:
            known = self.state.get(event["client"])
            if known and event["version"] < known["version"]:
                self.faults.append(f"{event['client']} went back to {event['version']}")
            self.state[event["client"]] = event
        for name in message["removed"]:
            self.state.pop(name, None)
        self.cursor = str(message["as_of"])


def test_pr81_a_fleet_survives_the_deaths_of_its_nodes(fleet: Fleet) -> None:
    tenant = fleet.tenant()[0]
    balancer = Balancer(fleet)
    names = [f"c{number}" for number in range(CLIENTS)]
    devices = {name: Device(balancer, tenant.token(name)) for name in names}
    subscriber = Subscriber(balancer, tenant)
    listening = threading.Thread(target=subscriber.run)
    listening.start()
    counted: Counter[str] = Counter()
    used: list[tuple[int, int, int]] = []

    async def ring(name: str) -> None:
        """A device that was there all the time is shown what it is said to be rung for."""
        since, call_sid = devices[name].since, sid("CA")
        client = balancer.node().client
        try:
            endpoints = [
                one.endpoint_id
                for one in (await asyncio.to_thread(client.presence, tenant.account, name)).endpoints
            ]
            life = time.time() + 5
            more = {"sdp": SDP.format("o"), "ring_token": "r", "expires_at": life, "parameters": {}}
            rung = await asyncio.to_thread(
                lambda: client.invite(tenant.account, call_sid, name, endpoints, **more)
            )
        except Exception:
            counted["router turned away"] += 1
            return
        deadline = time.monotonic() + 4
        while call_sid not in devices[name].shown and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        counted["shown" if call_sid in devices[name].shown else "not shown"] += 1
        stayed = devices[name].since == since and time.monotonic() - since > SETTLED
        if stayed and (len(rung.rung) != 1 or call_sid not in devices[name].shown):
            counted["lost rings"] += 1

    async def change() -> None:
        name = random.choice(names)
        url = f"{balancer.base}/v1/Accounts/{tenant.account}/Clients/{name}/Status"
        body = {"status": random.choice(["away", "available", "dnd"]), "note": str(random.random())}
        auth = (tenant.account, tenant.auth_token)
        with suppress(requests.RequestException):
            await asyncio.to_thread(lambda: requests.put(url, json=body, auth=auth, timeout=5))
            counted["changes"] += 1

    async def kill_and_mend() -> None:
        for node in fleet.nodes * 1_000:
            await asyncio.sleep(KILL_EVERY)
            used.extend(usage(one) for one in fleet.nodes)
            process, node.process = node.process, None
            assert process is not None
            process.kill()
            await asyncio.to_thread(process.wait, SECONDS)
            counted["deaths"] += 1
            await asyncio.sleep(DEAD_FOR)
            await asyncio.to_thread(node.spawn)

    async def scene() -> None:
        lives = [asyncio.create_task(device.live()) for device in devices.values()]
        killing = asyncio.create_task(kill_and_mend())
        ends = time.monotonic() + LENGTH
        while time.monotonic() < ends:
            await asyncio.gather(ring(random.choice(names)), change(), asyncio.sleep(0.3))
            if killing.done():
                killing.result()
        killing.cancel()
        await asyncio.wait([killing])
        for node in fleet.nodes:
            if node.process is None:
                await asyncio.to_thread(node.spawn)
        await asyncio.sleep(SETTLED)
        counted["not shown"] = 0
        for name in names:
            await ring(name)
        counted["ghosts"] = sum(len(tenant.endpoints(name)) - 1 for name in names)
        for life in lives:
            life.cancel()
        await asyncio.wait(lives)

    try:
        asyncio.run(scene())
        found = {one.client: one for one in fleet.nodes[0].client.query(tenant.account, names).clients}
        deadline = time.monotonic() + 10
        while differences(subscriber.state, found) and time.monotonic() < deadline:
            found = {one.client: one for one in fleet.nodes[0].client.query(tenant.account, names).clients}
            subscriber.over.wait(0.2)
    finally:
        subscriber.over.set()
        listening.join(30)
    failures = sum((device.failed for device in devices.values()), Counter())
    print(
        dict(counted),
        dict(failures),
        "kB, threads, files:",
        [max(column) for column in zip(*used, strict=True)],
    )
    assert differences(subscriber.state, found) == []
    assert subscriber.faults == []
    assert (counted["lost rings"], counted["not shown"], counted["ghosts"]) == (0, 0, 0)
    for memory, threads, files in used:
        assert memory < MOST_MEMORY
        assert threads < MOST_THREADS
        assert files < MOST_FILES


def differences(state: dict[str, dict[str, Any]], found: dict[str, Any]) -> list[str]:
    """Clients of which the subscriber believes what is not so."""
    told = {name: (one["status"], one["note"], one["available"]) for name, one in state.items()}
    true = {name: (one.status, one.note, one.available) for name, one in found.items()}
    there = {name for name, one in true.items() if one[0] != "offline"}
    return [
        name
        for name in there | told.keys()
        if told.get(name, true.get(name)) != true.get(name) or (name in there and name not in told)
    ]


def usage(node: Node) -> tuple[int, int, int]:
    """kB of memory, threads and open files of a node's process; zeros while it is dead."""
    if node.process is None:
        return 0, 0, 0
    folder = Path(f"/proc/{node.process.pid}")
    status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
    return int(status["VmRSS"].split()[0]), int(status["Threads"]), len(list((folder / "fd").iterdir()))

"""One of several presence processes dies by SIGKILL, or is stopped, or loses its lease (PR-58, PR-81)."""

import asyncio
import json
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from nodes_world import Fleet, until
from presence_world import SDP, App, Tenant, sid
from sqlalchemy import create_engine, text
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.support.postgresql import Cluster

pytestmark = [pytest.mark.postgresql, pytest.mark.kill]

LEASE_AND_SWEEP = 9.0  # seconds until a dead node's things are another's: its lease, and a look at the leases


@pytest.fixture
def fleet(postgresql: Cluster, tmp_path: Path) -> Iterator[Fleet]:
    running = Fleet(tmp_path, postgresql.database(), answer_grace=4.0).spawn()
    yield running
    running.close()


def rows(fleet: Fleet, query: str) -> list[Any]:
    engine = create_engine(fleet.database_url)
    with engine.connect() as connection:
        found = list(connection.execute(text(query)).scalars())
    engine.dispose()
    return found


def nodes(fleet: Fleet) -> int:
    return len(rows(fleet, "SELECT node FROM nodes"))


def in_call(tenant: Tenant, identity: str) -> tuple[App, str, str]:
    app = tenant.app(identity)
    call_sid = tenant.ring(identity).call_sid
    reconnect = app.expect("invite")["reconnect"]
    app.send("answer", callsid=call_sid, sdp=SDP.format("phone"))
    tenant.world.router.wait(tenant.account, "accepted")
    assert tenant.frame(call_sid, "error", code=31005, message="settled")
    app.expect("error")
    return app, call_sid, reconnect


def told(tenant: Tenant, type: str) -> dict[str, Any]:
    """What the router hears of it, once a dead node's lease and grace are over."""
    until(lambda: bool(tenant.world.router.of(tenant.account, type)), type)
    return tenant.world.router.of(tenant.account, type)[0]


def test_pr81_what_a_dead_node_held_goes_on_at_another(fleet: Fleet) -> None:
    """Clients that come back at once keep registration, ringing and call; nobody waits for the lease."""
    a, b = fleet.tenant()
    token = a.token("alice")
    a.app("alice", token=token).silent()
    a.app("carol")
    _, call_sid, reconnect = in_call(a, "bob")
    before = b.world.client.query(b.account, ["alice", "bob", "carol"])
    ringing = b.ring("alice").call_sid

    a.world.kill()

    assert set(b.ring("carol").skipped.values()) == {"unreachable"}
    back = b.app("alice", token=token)
    assert back.expect("invite")["callsid"] == ringing
    after = b.world.client.presence(b.account, "alice")
    assert after.endpoints[0].endpoint_id == before.clients[0].endpoints[0].endpoint_id
    back.send("answer", callsid=ringing, sdp=SDP.format("mine"))
    b.world.router.wait(b.account, "accepted", 2)

    assert not b.frame(call_sid, "error", code=31005, message="there?")
    again = b.app("bob", register=False)
    again.send("invite", callsid=call_sid, sdp=SDP.format("phone"), reconnect=reconnect, twilio={})
    assert "sdp" not in again.expect("answer")
    assert b.world.router.wait(b.account, "attached")["moved"] is False
    assert b.frame(call_sid, "hangup")
    again.expect("hangup")

    began = time.monotonic()
    until(lambda: b.endpoints("carol") == [], "carol, who did not come back, is offline")
    assert time.monotonic() - began < LEASE_AND_SWEEP + 6.0
    assert len(b.endpoints("alice")) == 1


def test_a_dead_nodes_invite_and_call_are_adopted_and_end(fleet: Fleet) -> None:
    """Nobody comes back: the router hears that the device vanished, and that the call lost its client."""
    a, b = fleet.tenant()
    app = a.app("alice")
    _, call_sid, _ = in_call(a, "bob")
    ringing = a.ring("alice").call_sid
    app.expect("invite")
    a.world.kill()
    assert told(b, "detached")["call_sid"] == call_sid
    rejected = told(b, "rejected")
    assert (rejected["call_sid"], rejected["vanished"]) == (ringing, True)
    (left,) = rows(fleet, "SELECT node FROM nodes")
    assert left.endswith(b.world.settings.presence_bind)


def test_an_adopted_invite_rings_on_where_its_device_comes_back(fleet: Fleet) -> None:
    a, b = fleet.tenant()
    token = a.token("alice")
    app, other = a.app("alice", token=token), b.app("alice")
    ringing = a.ring("alice").call_sid
    app.expect("invite")
    other.expect("invite")
    a.world.kill()
    until(lambda: nodes(fleet) == 1, "it is adopted")
    back = b.app("alice", token=token)
    assert back.expect("invite")["callsid"] == ringing
    back.send("answer", callsid=ringing, sdp=SDP.format("mine"))
    assert other.expect("cancel") == {"callsid": ringing}


def test_a_node_that_is_stopped_hands_over_at_once(fleet: Fleet) -> None:
    a, b = fleet.tenant()
    token = a.token("alice")
    app = a.app("alice", token=token)
    before = b.endpoints("alice")
    assert a.world.process is not None
    a.world.process.terminate()
    assert app.closed() == 1001
    b.app("alice", token=token)  # while the other node still drains
    assert b.endpoints("alice") == before
    a.world.drained()
    until(lambda: nodes(fleet) == 1, "it is adopted", 5.0)
    a.world.spawn()
    assert a.endpoints("alice") == before


def test_a_node_that_slept_through_its_lease_sends_its_clients_away_and_starts_over(fleet: Fleet) -> None:
    a, b = fleet.tenant()
    token = a.token("alice")
    app = a.app("alice", token=token)
    before = b.endpoints("alice")
    assert a.world.process is not None
    a.world.process.send_signal(signal.SIGSTOP)
    try:
        until(lambda: nodes(fleet) == 1, "it is adopted")
    finally:
        a.world.process.send_signal(signal.SIGCONT)
    assert app.closed() == 1001
    until(lambda: nodes(fleet) == 2, "it is back")
    backs: list[App] = []

    def taken() -> bool:
        """It takes sockets a moment after the others know of it."""
        with suppress(InvalidStatus):
            backs.append(a.app("alice", token=token))
        return bool(backs)

    until(taken, "it takes sockets again")
    (back,) = backs
    call_sid = b.ring("alice").call_sid
    assert back.expect("invite")["callsid"] == call_sid
    assert len(b.endpoints("alice")) == 1
    assert before


@pytest.mark.parametrize("clients", [200, pytest.param(5_000, marks=pytest.mark.slow)])
def test_pr58_all_clients_of_a_dead_node_are_rung_at_another_within_seconds(
    fleet: Fleet, clients: int
) -> None:
    a, b = fleet.tenant()
    names = [f"c{number}" for number in range(clients)]
    tokens = {name: a.token(name) for name in names}

    async def scene() -> float:
        first = await together(a, tokens)
        a.world.kill()
        began = time.monotonic()
        await asyncio.gather(*(one.reader for one in first.values()))
        second = await together(b, tokens)
        took = time.monotonic() - began
        for name in names[:: max(1, clients // 50)]:
            rung = await asyncio.to_thread(b.ring, name, None, sid("CA"))
            assert (len(rung.rung), rung.skipped) == (1, {})
            frame = await second[name].frame()
            assert frame["payload"]["callsid"] == rung.call_sid
        await asyncio.gather(*(one.socket.close() for one in second.values()))
        await asyncio.gather(*(one.reader for one in second.values()))
        return took

    took = asyncio.run(scene())
    print(f"{clients} clients were back after {took:.1f} s")
    assert took < 45 + clients / 100


class Client:
    """A connection that answers heartbeats by itself, until it is closed."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self._inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.reader = asyncio.create_task(self._read())

    async def frame(self) -> dict[str, Any]:
        async with asyncio.timeout(20):
            return await self._inbox.get()

    async def _read(self) -> None:
        with suppress(ConnectionClosed):
            while True:
                text = await self.socket.recv()
                if text == "\n":
                    await self.socket.send("\n")
                else:
                    self._inbox.put_nowait(json.loads(text))


async def together(tenant: Tenant, tokens: dict[str, str]) -> dict[str, Client]:
    """Each client registered at this node, fifty at a time."""
    room = asyncio.Semaphore(50)
    url = f"ws://{tenant.world.settings.presence_bind}/signal"

    async def one(token: str) -> Client:
        async with room:
            client = Client(await connect(url, compression=None, ping_interval=None, open_timeout=20))
            for kind, payload in (("listen", {"token": token}), ("register", {"media": {"audio": True}})):
                await client.socket.send(json.dumps({"type": kind, "payload": payload}))
            assert [(await client.frame())["type"] for _ in range(2)] == ["connected", "ready"]
            return client

    found = await asyncio.gather(*map(one, tokens.values()))
    return dict(zip(tokens, found, strict=True))

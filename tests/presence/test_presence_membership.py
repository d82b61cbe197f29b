"""Leases of nodes, the adoption of dead ones, and words between nodes that do not arrive (PR-81)."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace

import pytest
from presence_world import MASTER, sid
from sqlalchemy import text

from callrouter.scenario.ports import free_port
from foundation.db import Database
from foundation.keys import Keys
from foundation.settings import Settings
from presence import neighbours as neighbours_module
from presence.access.directory import Directory
from presence.neighbours import Neighbours, Unreachable
from presence.nodes import Nodes, node_url
from presence.registration import Endpoint
from presence.signalling.holdings import Holdings
from presence.signalling.ledger import BoundCall, Invite, Ledger, Rung
from presence.store import Store
from tests.support import tables
from tests.support.postgresql import Cluster

NOW = 1_700_000_000.0
A, CALL, OTHER = "AC" + "a" * 32, "CA" + "1" * 32, "CA" + "2" * 32


class Shared:
    """One database with an account, and what nodes do with it."""

    def __init__(self, url: str) -> None:
        tables.make(url, "presence")
        self.database = Database(url)
        self.store = Store(self.database)
        directory = Directory(self.database, Keys([MASTER]), self.store)
        directory.put_account(A, "active", ["t"], 1, NOW).result()
        directory.put_key(A, "SK1", "s", 1).result()

    def node(self, name: str) -> tuple[Nodes, Ledger, Holdings]:
        nodes, ledger = Nodes(self.database, name, f"http://{name}"), Ledger(self.store, name)
        return nodes, ledger, Holdings(self.store, ledger, nodes)

    def device(self, client: str, node: str) -> Endpoint:
        asked = Endpoint(
            account_sid=A,
            client=client,
            endpoint_id=f"e-{client}",
            sid=sid("RG"),
            socket=True,
            node=node,
            key_sid="SK1",
            token_digest=f"t-{client}",
            token_expires_at=NOW + 3600,
            refreshed_at=NOW,
            expires_at=NOW + 75,
        )
        return self.store.register(asked, NOW).result().registered.endpoint

    def lapse(self, node: str) -> None:
        """Its lease has run out."""

        def work(connection: object) -> None:
            connection.execute(text("UPDATE nodes SET lease_until = 0 WHERE node = :node"), {"node": node})  # type: ignore[attr-defined]

        self.database.write(work).result()


@pytest.fixture
def shared(postgresql: Cluster) -> Iterator[Shared]:
    found = Shared(postgresql.database())
    yield found
    found.database.close()


pg = pytest.mark.postgresql


@pg
def test_nodes_know_each_other_while_they_live(shared: Shared) -> None:
    async def scene() -> None:
        (a, *_), (b, *_) = shared.node("a"), shared.node("b")
        await a.join()
        await b.join()
        assert await a.renew()
        assert (a.others(), a.url("b"), a.url("c"), a.dead()) == ({"b": "http://b"}, "http://b", None, [])
        shared.lapse("b")
        assert await a.renew()
        assert (a.others(), a.url("b"), a.dead()) == ({}, None, ["b"])

    asyncio.run(scene())


@pg
def test_a_dead_node_falls_to_exactly_one_other(shared: Shared) -> None:
    async def scene() -> None:
        (a, *_), (b, *_), (c, *_) = (shared.node(name) for name in "abc")
        for one in (a, b, c):
            await one.join()
        shared.lapse("c")
        adopted = [shared.node(name)[2].adopt("c", NOW + 10) for name in ("a", "b", "a")]
        assert [future.result() is None for future in adopted] == [False, True, True]
        assert not await c.renew(), "it must start over"
        assert shared.node("a")[2].adopt("b", NOW + 10).result() is None, "b lives"

    asyncio.run(scene())


@pg
def test_everything_of_a_dead_node_changes_hands(shared: Shared) -> None:
    (_, dead, _), (_, ledger, holdings) = shared.node("dead"), shared.node("a")
    shared.device("alice", "dead")
    shared.device("bob", "a")
    call = BoundCall(account_sid=A, call_sid=CALL, client="alice", endpoint_id="e", incoming=True, ufrag="u")
    dead.bind(call, NOW).result()
    mine, theirs = ("e-bob",), ("e-alice",)
    invite = Invite(
        account_sid=A,
        call_sid=CALL,
        client="alice",
        endpoints=theirs,
        sdp="s",
        ring_token="r",
        parameters={},
        expires_at=NOW + 60,
        waves=(theirs, mine),
        every=5.0,
        created_at=NOW,
    )
    dead.open_invite(invite, Rung(rung=theirs, skipped=(("x", "gone"),))).result()
    ledger.open_invite(replace(invite, endpoints=mine), Rung(rung=mine)).result()
    dead.open_invite(replace(invite, call_sid=OTHER), Rung(rung=theirs)).result()
    dead.fall_out(A, OTHER, {"x": NOW + 1}).result()
    asyncio.run(shared.node("dead")[0].join())
    shared.lapse("dead")

    (adopted,) = holdings.adopt("dead", NOW + 10).result() or ()
    assert (adopted.client, adopted.node, adopted.expires_at) == ("alice", "a", NOW + 10)
    assert ledger.bound() == [call]
    assert dead.pending(NOW) == dead.bound() == []
    whole, other = sorted(ledger.pending(NOW), key=lambda part: part[0].call_sid)
    assert whole[1] == Rung(rung=("e-bob", "e-alice"), skipped=(("x", "gone"),))
    assert (other[0].out, other[0].waves, other[1].rung) == ({"x": NOW + 1}, (theirs, mine), theirs)


@pg
def test_a_node_touches_only_what_it_holds(shared: Shared) -> None:
    """A heartbeat that comes late must not shorten the life of a device that has moved."""
    (_, _, a), (_, _, b) = shared.node("a"), shared.node("b")
    device = shared.device("alice", "b")
    key = (A, "alice", "e-alice")
    a.touch({key: (NOW + 1, NOW + 2)}).result()
    b.touch({key: (NOW + 5, NOW + 80)}).result()
    assert (a.devices(), b.devices()) == ({}, {key: device.sid})
    assert [place.node for place in a.places(A, "alice", NOW + 79)] == ["b"]
    assert a.places(A, "alice", NOW + 80) == []


@pg
def test_a_call_ends_at_its_node_only(shared: Shared) -> None:
    (_, a, _), (_, b, _) = shared.node("a"), shared.node("b")
    call = BoundCall(account_sid=A, call_sid=CALL, client="alice", endpoint_id="e", incoming=True, ufrag="u")
    a.bind(call, NOW).result()
    assert b.take(call).result()
    assert not a.unbind(A, CALL, NOW).result(), "it has moved"
    assert b.call(A, CALL) == (call, "b")
    assert b.unbind(A, CALL, NOW).result()
    assert not a.take(call).result()
    assert a.unbind(A, CALL, NOW).result(), "nobody else has it"


def test_a_process_on_sqlite_is_alone(tmp_path: object) -> None:
    url = f"sqlite:///{tmp_path}/p.sqlite3"
    tables.make(url, "presence")
    database = Database(url)
    nodes = Nodes(database, "a")

    async def scene() -> None:
        await nodes.join()
        assert await nodes.renew()
        assert (nodes.others(), nodes.url("b")) == ({}, None)
        await nodes.leave()

    asyncio.run(scene())
    with database.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM nodes")).scalar() == 0
    database.close()


class Phonebook(Nodes):
    """Nodes at given addresses."""

    def __init__(self, **urls: str) -> None:
        self.name, self._urls = "me", urls

    def url(self, node: str) -> str | None:
        return self._urls.get(node)


def fault(asked: "Future[object]") -> str:
    error = asked.exception(10)
    assert isinstance(error, Unreachable)
    return str(error)


def test_i6_a_node_that_is_not_there_is_unreachable_and_left_in_peace() -> None:
    link = Neighbours(Phonebook(gone=f"http://127.0.0.1:{free_port()}"), Keys([MASTER]))
    assert "ConnectionError" in fault(link.ask("gone", "POST", "/x"))
    assert "lately" in fault(link.ask("gone", "POST", "/x"))
    assert "dead" in fault(link.ask("buried", "POST", "/x"))
    link.tell(["gone", "buried"], "POST", "/x")
    link.close()
    assert "stopping" in fault(link.ask("gone", "POST", "/x"))


def test_i14_too_many_words_to_other_nodes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours_module, "WAITING", 0)
    link = Neighbours(Phonebook(), Keys([MASTER]))
    assert "too many" in fault(link.ask("a", "POST", "/x"))
    link.close()


@pytest.mark.parametrize(
    ("bind", "given", "url"),
    [
        ("127.0.0.1:8081", "", "http://127.0.0.1:8081"),
        ("10.0.0.7:8081", "https://p7.example/", "https://p7.example"),
        ("0.0.0.0:8081", "", "http://{host}:8081"),
    ],
)
def test_where_other_nodes_reach_this_one(
    bind: str, given: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "p7")
    assert node_url(Settings(presence_bind=bind, presence_node_url=given)) == url.format(host="p7")

"""Registrations, accounts and keys in real databases: SQLite and PostgreSQL."""

import hashlib
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, inspect, select, text

from foundation.db import Database
from foundation.keys import Keys
from migrations import runner
from presence.access.directory import Directory
from presence.access.refusals import AccessRefused, Refusal
from presence.models import accounts, changes, endpoints, keys, metadata
from presence.nodes import Nodes
from presence.reading.snapshots import Snapshot, snapshot
from presence.registration import Endpoint, StaleVersion
from presence.signalling.holdings import Holdings
from presence.signalling.ledger import BoundCall, Invite, Ledger, Rung
from presence.store import Store, all_of
from tests.support import tables

A, B = "AC" + "a" * 32, "AC" + "b" * 32
KEY = "SK" + "a" * 32
CALL = "CA" + "a" * 32
NOW = 1_800_000_000.0


class Stores:
    def __init__(self, url: str) -> None:
        tables.make(url, "presence")
        self.database = Database(url)
        self.database.check()
        self.store = Store(self.database)
        self.directory = Directory(self.database, Keys(["k" * 40]), self.store)
        for account in (A, B):
            self.directory.put_account(account, "active", ["t" * 32], 1, NOW).result()
        self.directory.put_key(A, KEY, "s" * 32, 1).result()

    def put(self, client: str = "alice", endpoint_id: str = "e", now: float = NOW, **more: Any) -> Any:
        version = more.pop("based_on", None)
        status, note = more.pop("status", None), more.pop("note", None)
        asked = endpoint(client, endpoint_id, now, **more)
        return self.store.register(asked, now, status=status, note=note, based_on=version).result()

    def see(self, *names: str, now: float = NOW, account: str = A) -> Snapshot:
        return snapshot(self.database, account, names, now)

    def rows(self, table: Any) -> list[Any]:
        with self.database.read() as connection:
            return list(connection.execute(select(table)))

    def dump(self) -> str:
        return repr([(table.name, sorted(map(repr, self.rows(table)))) for table in metadata.sorted_tables])


def endpoint(client: str = "alice", endpoint_id: str = "e", now: float = NOW, **more: Any) -> Endpoint:
    given = {
        "account_sid": A,
        "client": client,
        "endpoint_id": endpoint_id,
        "sid": "RG" + hashlib.md5(f"{client}{endpoint_id}".encode()).hexdigest(),
        "key_sid": KEY,
        "token_expires_at": now + 3600,
        "refreshed_at": now,
        "expires_at": now + 90,
        **more,
    }
    return Endpoint(**given)


def holdings(db: Stores, node: str = "here") -> Holdings:
    return Holdings(db.store, Ledger(db.store, node), Nodes(db.database, node))


def written(db: Stores) -> None:
    """Writes are in order: what was asked before is stored now."""
    db.database.write(lambda _connection: None, A).result()


@pytest.fixture
def db(database_url: str) -> Iterator[Stores]:
    stores = Stores(database_url)
    yield stores
    stores.database.close()


def test_pr10_upsert_keeps_sid_and_raises_the_version(db: Stores) -> None:
    first = db.put()
    again = db.put(status="busy", sid="RG" + "f" * 32)
    assert (first.version, again.version) == (1, 2)
    assert first.registered.created
    assert not again.registered.created
    alice = db.see("alice").clients["alice"]
    assert [(one.endpoint_id, one.status) for one in alice.endpoints] == [("e", "busy")]
    assert [row.sid for row in db.rows(endpoints)] == [first.registered.endpoint.sid]


def test_pr13_a_heartbeat_raises_nothing_and_logs_nothing(db: Stores) -> None:
    db.put()
    before = (db.see("alice").as_of, db.see("alice").clients["alice"].version)
    db.put(now=NOW + 30)
    holdings(db, "").touch({(A, "alice", "e"): (NOW + 60, NOW + 150)}).result()
    after = db.see("alice", now=NOW + 149)
    assert (after.as_of, after.clients["alice"].version) == before
    assert after.clients["alice"].endpoints[0].refreshed_at == NOW + 60


def test_pr14_expired_is_gone_before_any_sweep_and_the_sweep_says_it_once(db: Stores) -> None:
    db.put()
    assert db.see("alice", now=NOW + 90).clients["alice"].endpoints == ()
    assert [one.endpoint_id for one in all_of(db.store.sweep(NOW + 90), 10)] == ["e"]
    assert all_of(db.store.sweep(NOW + 90), 10) == []
    assert [(row.kind, row.version) for row in db.rows(changes)] == [("registered", 1), ("expired", 2)]


def test_pr12_the_cap_evicts_and_publishes(db: Stores) -> None:
    for n in range(10):
        db.put(endpoint_id=f"e{n}", now=NOW + n)
    done = db.put(endpoint_id="new", now=NOW + 20)
    assert [one.endpoint_id for one in done.registered.evicted] == ["e0"]
    assert len(db.see("alice", now=NOW + 20).clients["alice"].endpoints) == 10
    assert [row.kind for row in db.rows(changes)].count("evicted") == 1


def test_pr15_unregister_is_idempotent(db: Stores) -> None:
    db.put()
    assert len(db.store.unregister(A, "alice", NOW, endpoint_id="e").result()) == 1
    before = db.dump()
    assert db.store.unregister(A, "alice", NOW, endpoint_id="e").result() == []
    assert db.dump() == before


def test_pr16_a_late_heartbeat_cannot_revive(db: Stores) -> None:
    version = db.put().version
    db.store.unregister(A, "alice", NOW, endpoint_id="e").result()
    before = db.dump()
    with pytest.raises(StaleVersion):
        db.put(based_on=version)
    assert db.dump() == before


@pytest.mark.parametrize(
    ("more", "refusal"),
    [
        ({"account_sid": "AC" + "c" * 32}, Refusal.ACCOUNT),
        ({"key_sid": "SK" + "f" * 32}, Refusal.ISSUER),
        ({"account_sid": B}, Refusal.ISSUER),
    ],
)
def test_pr3_a_refused_registration_writes_nothing(
    db: Stores, more: dict[str, str], refusal: Refusal
) -> None:
    db.put("bob")
    before = db.dump()
    with pytest.raises(AccessRefused) as refused:
        db.put(**more)
    assert refused.value.refusal is refusal
    assert db.dump() == before


def test_pr7_a_revoked_key_ends_its_registrations_and_stays_revoked(db: Stores) -> None:
    db.put()
    db.put("bob", key_sid=A)
    assert db.directory.key_secret(A, KEY) == "s" * 32
    assert [one.client for one in db.directory.delete_key(KEY, NOW).result()] == ["alice"]
    assert db.directory.key_secret(A, KEY) is None
    db.directory.put_key(A, KEY, "s" * 32, 9).result()
    assert db.directory.key_secret(A, KEY) is None
    with pytest.raises(AccessRefused):
        db.put()
    assert db.see("alice", "bob").clients["bob"].endpoints


def test_a_key_revoked_before_it_was_known_never_becomes_valid(db: Stores) -> None:
    late = "SK" + "e" * 32
    db.directory.delete_key(late, NOW).result()
    db.directory.put_key(A, late, "s" * 32, 1).result()
    assert db.directory.key_secret(A, late) is None


def test_i12_a_key_cannot_be_moved_to_another_account(db: Stores) -> None:
    db.directory.put_key(B, KEY, "z" * 32, 9).result()
    assert db.directory.key_secret(B, KEY) is None
    assert db.directory.key_secret(A, KEY) == "s" * 32


def test_older_versions_change_nothing(db: Stores) -> None:
    db.directory.put_account(A, "suspended", ["n" * 32], 5, NOW).result()
    db.directory.put_account(A, "active", ["t" * 32], 4, NOW).result()
    assert db.directory.auth_tokens(A) is None
    db.directory.put_account(A, "active", ["n" * 32], 5, NOW).result()
    assert db.directory.auth_tokens(A) == ("n" * 32,)


@pytest.mark.parametrize("status", ["suspended", "closed"])
def test_an_account_that_is_not_active_has_nobody_registered(db: Stores, status: str) -> None:
    db.put()
    assert len(db.directory.put_account(A, status, ["t" * 32], 2, NOW).result()) == 1
    assert db.see("alice").clients["alice"].endpoints == ()
    with pytest.raises(AccessRefused):
        db.put()


def test_secrets_are_sealed_at_rest(db: Stores) -> None:
    assert all("s" * 32 not in row.secret for row in db.rows(keys))
    assert all("t" * 32 not in row.auth_tokens for row in db.rows(accounts))


def test_pr18_fifty_writers_one_row_per_endpoint_no_lost_update(db: Stores) -> None:
    gate = threading.Barrier(50)

    def write(n: int) -> int:
        gate.wait(10)
        return db.put(endpoint_id=f"e{n % 5}", note=str(n)).version

    with ThreadPoolExecutor(50) as pool:
        versions = list(pool.map(write, range(50)))
    assert sorted(versions) == list(range(1, 51))
    assert len(db.rows(endpoints)) == 5
    assert db.see("alice").as_of == 50


def test_pr34_to_37_one_message_one_statement_for_a_thousand_names(db: Stores) -> None:
    for n in range(30):
        db.put(f"c{n}", now=NOW)
    statements: list[str] = []
    event.listen(db.database.reader_engine, "before_cursor_execute", lambda *a: statements.append(a[2]))
    found = db.see(*(f"c{n}" for n in range(1000)))
    assert len([one for one in statements if "SELECT" in one]) == 1
    assert (found.as_of, len(found.clients)) == (30, 30)


def test_pr35_as_of_and_entries_are_of_one_moment(db: Stores) -> None:
    """Each write changes both clients' rows at once; no answer may show one without the other."""
    stop = threading.Event()

    def write() -> None:
        n = 0
        while not stop.is_set():
            n += 1
            db.put("alice", note=str(n))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(100):
            seen = db.see("alice")
            if "alice" in seen.clients:
                assert seen.clients["alice"].version == seen.as_of
    finally:
        stop.set()
        writer.join(10)


def test_i12_accounts_do_not_see_each_other(db: Stores) -> None:
    db.put()
    assert db.see("alice", account=B).clients == {}
    assert db.see("alice", account="AC" + "9" * 32) == Snapshot(as_of=0, clients={})


def test_after_a_restart_sockets_of_this_node_live_ten_seconds_more(db: Stores) -> None:
    db.put("alice", socket=True, node="here")
    db.put("bob", socket=True, node="there")
    db.put("carol")
    assert [one.client for one in holdings(db).shorten(NOW + 10).result()] == ["alice"]
    seen = db.see("alice", "bob", "carol", now=NOW + 11)
    assert [name for name, one in seen.clients.items() if one.endpoints] == ["bob", "carol"]


INVITE = Invite(
    account_sid=A,
    call_sid=CALL,
    client="alice",
    endpoints=("e",),
    sdp="v=0",
    ring_token="r",
    parameters={"From": "+1"},
    expires_at=NOW + 30,
)


def test_invites_are_kept_told_again_and_forgotten(db: Stores) -> None:
    ledger = Ledger(db.store, "here")
    rung = Rung(rung=("e",), skipped=(("f", "gone"),))
    assert ledger.open_invite(INVITE, rung).result() is None
    assert ledger.open_invite(replace(INVITE, sdp="other"), Rung()).result() == rung
    assert ledger.pending(NOW) == [(INVITE, rung)]
    assert Ledger(db.store, "there").pending(NOW) == []
    assert ledger.pending(NOW + 30) == []
    ledger.cancel_invite(A, CALL, NOW).result()
    assert ledger.pending(NOW) == []
    ledger.sweep(NOW + 331).result()
    assert ledger.open_invite(INVITE, rung).result() is None


def test_bound_calls_are_kept_until_unbound(db: Stores) -> None:
    ledger = Ledger(db.store, "here")
    call = BoundCall(
        account_sid=A, call_sid=CALL, client="alice", endpoint_id="e", incoming=True, ufrag="abcd"
    )
    ledger.bind(call, NOW)
    ledger.bind(replace(call, ufrag="efgh"), NOW)
    written(db)
    assert ledger.bound() == [replace(call, ufrag="efgh")]
    ledger.unbind(A, CALL, NOW)
    written(db)
    assert ledger.bound() == []


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/presence.sqlite3"
    return str(request.getfixturevalue("postgresql").database())


def test_migrations_make_exactly_the_tables_of_the_models(empty_database_url: str) -> None:
    database_url = empty_database_url
    runner.upgrade(database_url, "presence")
    assert runner.current(database_url, "presence") == runner.head("presence") == "0003"
    database = Database(database_url)
    found = inspect(database.reader_engine)
    for table in metadata.sorted_tables:
        columns = {c["name"]: (str(c["type"]), c["nullable"]) for c in found.get_columns(table.name)}
        dialect = database.reader_engine.dialect
        assert columns == {c.name: (str(c.type.compile(dialect)), c.nullable) for c in table.columns}
        assert found.get_pk_constraint(table.name)["constrained_columns"] == [
            c.name for c in table.primary_key
        ]
        assert table.name == "nodes" or next(iter(table.primary_key)).name == "account_sid"
        wanted = {index.name for index in table.indexes}
        assert {i["name"] for i in found.get_indexes(table.name) if not i["unique"]} == wanted
    database.close()
    runner.upgrade(database_url, "presence")
    runner.downgrade(database_url, "presence", "base")
    assert runner.current(database_url, "presence") is None
    database = Database(database_url)
    assert set(inspect(database.reader_engine).get_table_names()) <= {"alembic_version"}
    database.close()
    assert [step[0] for step in runner.history("presence")] == ["0001", "0002", "0003"]


def test_a_failed_step_leaves_an_sqlite_database_as_it_was(tmp_path: Any) -> None:
    """Half of a migration is worse than none."""
    path = tmp_path / "half.sqlite3"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE endpoints (x)")
    connection.close()
    with pytest.raises(Exception, match="endpoints"):
        runner.upgrade(f"sqlite:///{path}", "presence")
    assert runner.current(f"sqlite:///{path}", "presence") is None
    database = Database(f"sqlite:///{path}")
    with database.read() as reading:
        names = reading.execute(text("SELECT name FROM sqlite_master WHERE type='table'")).scalars().all()
    database.close()
    assert set(names) <= {"endpoints", "alembic_version"}

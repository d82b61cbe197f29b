"""Registrations over HTTP and in the store: PR-3, PR-7, PR-8, PR-9, PR-10 to PR-18, PR-22, PR-25."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from presence_asking import KEY, NOW, A, Stores, account, client, device, service, token
from presence_world import Tenant
from sqlalchemy import insert, select

from foundation.db import Database
from presence.access.refusals import AccessRefused, Refusal
from presence.changes import LOCK
from presence.models import changes, endpoints, keys, revocations
from presence.registration import StaleVersion
from presence.store import NotRegistered, Store

PATH = "/Clients/alice/Registrations"


@pytest.fixture
def db(database_url: str) -> Iterator[Stores]:
    stores = Stores(database_url)
    yield stores
    stores.database.close()


def seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


# The resource


def test_pr10_pr17_the_answer_says_all_that_a_client_needs(tenant: Tenant) -> None:
    body = {
        "endpoint_id": "desk",
        "capabilities": ["sms", "voice"],
        "priority": 3,
        "note": "hi",
        "hidden": False,
    }
    made = client(tenant, "alice").ask("POST", PATH, body)
    assert made.status_code == 201
    shown = made.json()
    base = f"/v1/Accounts/{tenant.account}"
    moments = {name: shown.pop(name) for name in ("last_seen", "expires_at")}
    assert 80 < seconds(moments["expires_at"]) - seconds(moments["last_seen"]) <= 90
    sid = shown["sid"]
    assert shown == {
        "sid": sid, "account_sid": tenant.account, "client": "alice", "endpoint_id": "desk", "status": "available",
        "busy": False, "capabilities": ["voice", "sms"], "priority": 3, "note": "hi", "hidden": False,
        "incoming": True, "version": 1, "updates_uri": f"{base}{PATH}", "stream_uri": f"{base}/PresenceStream",
        "cursor": 1, "uri": f"{base}{PATH}/{sid}",
    }  # fmt: skip


def test_pr17_the_cursor_of_a_heartbeat_is_the_last_change_of_the_account(tenant: Tenant) -> None:
    tenant.register("alice")
    tenant.register("bob")
    again = tenant.register("alice").json()
    assert (again["version"], again["cursor"]) == (1, 2)


def test_pr11_each_device_has_its_own_row_and_all_who_may_can_list_them(tenant: Tenant) -> None:
    alice = client(tenant, "alice")
    desk = alice.ask("POST", PATH, {"endpoint_id": "desk", "status": "away"}).json()
    phone = alice.ask("POST", PATH, {"endpoint_id": "phone", "capabilities": ["sms"]}).json()
    for caller in (alice, account(tenant), service(tenant)):
        found = caller.get(PATH)
        assert (found["client"], found["version"], found["cursor"]) == ("alice", 2, 2)
        assert [(one["endpoint_id"], one["status"]) for one in found["registrations"]] == [
            ("desk", "away"),
            ("phone", "available"),
        ]
        one = caller.get(f"{PATH}/{desk['sid']}")
        assert (one["status"], one["version"]) == ("away", 2)
    assert account(tenant).get("/Clients/nobody/Registrations")["registrations"] == []
    assert account(tenant).does("GET", f"/Clients/bob/Registrations/{phone['sid']}") == (404, 20404)


def test_pr9_others_neither_see_nor_end_a_registration(tenant: Tenant) -> None:
    sid = tenant.register("alice").json()["sid"]
    bob = client(tenant, "bob", "presence:read:account", "presence:publish")
    mute = client(tenant, "alice", incoming=False)
    stranger = account(tenant.world.tenant())
    for caller in (bob, mute):
        for method, path in (("GET", PATH), ("GET", f"{PATH}/{sid}"), ("POST", f"{PATH}/{sid}")):
            assert caller.does(method, path, {}) == (403, 20403)
        assert caller.does("DELETE", f"{PATH}/{sid}") == (403, 20403)
    assert stranger.get(PATH)["registrations"] == []
    assert stranger.does("DELETE", f"{PATH}/{sid}") == (204, 0)
    for caller in (account(tenant), service(tenant)):
        assert caller.does("POST", PATH, {"endpoint_id": "x"}) == (403, 20403)
        assert caller.does("POST", f"{PATH}/{sid}", {"note": "x"}) == (403, 20403)
    assert len(client(tenant, "alice").get(PATH)["registrations"]) == 1


@pytest.mark.parametrize("caller", [account, service])
def test_pr15_the_accounts_server_and_ours_may_end_a_registration(
    tenant: Tenant, caller: Callable[[Tenant], Any]
) -> None:
    sid = tenant.register("alice").json()["sid"]
    assert caller(tenant).does("DELETE", f"{PATH}/{sid}") == (204, 0)
    assert caller(tenant).does("DELETE", f"{PATH}/{sid}") == (204, 0)
    assert client(tenant, "alice").get(PATH)["registrations"] == []


def test_pr15_ended_over_http_a_socket_is_told(tenant: Tenant) -> None:
    app = tenant.app("alice")
    (one,) = account(tenant).get(PATH)["registrations"]
    assert account(tenant).does("DELETE", f"{PATH}/{one['sid']}") == (204, 0)
    app.expect("offline")


# Partial changes


def test_pr16_a_change_says_only_what_changes(tenant: Tenant) -> None:
    alice = client(tenant, "alice")
    first = alice.ask("POST", PATH, {"endpoint_id": "desk", "priority": 2, "note": "in", "ttl": 600}).json()
    changed = alice.ask("POST", f"{PATH}/{first['sid']}", {"status": "away", "version": first["version"]})
    assert changed.status_code == 200
    shown = changed.json()
    assert (shown["status"], shown["note"], shown["priority"]) == ("away", "in", 2)
    assert (shown["version"], shown["cursor"]) == (2, 2)
    assert shown["expires_at"] == first["expires_at"]
    shown = alice.ask(
        "POST", f"{PATH}/{first['sid']}", {"note": "", "capabilities": ["sms"], "ttl": 3000}
    ).json()
    assert (shown["status"], shown["note"], shown["capabilities"]) == ("away", "", ["sms"])
    assert seconds(shown["expires_at"]) > seconds(first["expires_at"]) + 2000
    idle = alice.ask("POST", f"{PATH}/{first['sid']}", {"ttl": 60}).json()
    assert (idle["version"], idle["cursor"]) == (3, 3)


def test_pr16_a_stale_change_is_409_and_changes_nothing(tenant: Tenant) -> None:
    alice = client(tenant, "alice")
    sid = tenant.register("alice").json()["sid"]
    tenant.register("alice", endpoint_id="phone")
    answer = alice.ask("POST", f"{PATH}/{sid}", {"status": "dnd", "version": 1})
    assert (answer.status_code, answer.json()["code"]) == (409, 20409)
    assert "version 2" in answer.json()["message"]
    assert alice.get(f"{PATH}/{sid}")["status"] == "available"


def test_pr15_no_capabilities_end_it_whatever_was_there(tenant: Tenant) -> None:
    alice = client(tenant, "alice")
    sid = tenant.register("alice").json()["sid"]
    for _ in range(2):
        answer = alice.ask("POST", f"{PATH}/{sid}", {"capabilities": []})
        assert (answer.status_code, answer.json()["status"]) == (200, "offline")
    assert alice.get(PATH)["registrations"] == []
    assert alice.does("POST", f"{PATH}/{sid}", {"status": "away"}) == (404, 20404)
    assert alice.does("POST", f"{PATH}/RGx", {"status": "away"}) == (404, 20404)


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"status": None}, "status"),
        ({"status": "asleep"}, "asleep"),
        ({"note": None}, "note"),
        ({"note": "x" * 257}, "256"),
        ({"priority": 1001}, "1000"),
        ({"capabilities": None}, "capabilities"),
        ({"capabilities": ["fax"]}, "voice, sms, mms"),
        ({"hidden": "yes"}, "hidden"),
        ({"ttl": 5}, "10 to 3600"),
        ({"version": "1"}, "version"),
        ({"delivery": {"x": "y" * 2048}}, "2048"),
    ],
)
def test_pr10_a_bad_field_is_named_and_nothing_changes(
    tenant: Tenant, body: dict[str, Any], named: str
) -> None:
    alice = client(tenant, "alice")
    before = tenant.register("alice").json()
    for path, more in ((PATH, {"endpoint_id": "other"}), (f"{PATH}/{before['sid']}", {})):
        answer = alice.ask("POST", path, {**more, **body})
        assert (answer.status_code, answer.json()["code"]) == (400, 20001)
        assert named in answer.json()["message"]
    (after,) = alice.get(PATH)["registrations"]
    assert after == before


@pytest.mark.parametrize(
    "note", ["<b>&amp;</b>", "\u202eevil", "日本語 \U0001f600", " \n\t", '"; DROP TABLE', "é" * 256]
)
def test_pr22_a_note_comes_back_verbatim(tenant: Tenant, note: str) -> None:
    made = tenant.register("alice", note=note).json()
    assert made["note"] == note
    assert client(tenant, "alice").get(f"{PATH}/{made['sid']}")["note"] == note
    assert tenant.world.client.presence(tenant.account, "alice").endpoints[0].endpoint_id == "desk"


def test_pr22_a_note_stays_until_another_or_none_is_given(tenant: Tenant) -> None:
    said = [{"note": "lunch"}, {}, {"status": "away"}, {"note": ""}, {}]
    assert [tenant.register("alice", **body).json()["note"] for body in said] == ["lunch"] * 3 + [""] * 2
    assert tenant.register("alice").json()["status"] == "away"


def test_pr10_what_a_socket_cant_say_stays_as_it_was_set_over_http(db: Stores) -> None:
    """Also when its device registers again, with a newer token."""
    made = db.register(socket=True).registered.endpoint
    fields = {"priority": 5, "capabilities": ("voice", "sms")}
    changed = db.store.change(A, "alice", made.sid, NOW, fields=fields).result().registered
    again = db.register(socket=True, token_digest="newer").registered
    assert again.endpoint == replace(changed.endpoint, token_digest="newer")
    assert again.change is None
    said = db.register().registered.endpoint
    assert (said.priority, said.capabilities) == (0, ("voice",))


# Tokens


def test_pr8_a_newer_token_is_swapped_in_without_a_gap(tenant: Tenant) -> None:
    """The registration goes on with the token that spoke last: it ends with that one, earlier or later."""
    short, long = client(tenant, "alice", life=20), client(tenant, "alice", life=3000)
    made = short.ask("POST", PATH, {"endpoint_id": "desk", "ttl": 600}).json()
    assert seconds(made["expires_at"]) - seconds(made["last_seen"]) <= 20
    kept = long.ask("POST", f"{PATH}/{made['sid']}", {"ttl": 600}).json()
    assert 500 < seconds(kept["expires_at"]) - seconds(kept["last_seen"]) <= 600
    assert (kept["sid"], kept["version"], kept["cursor"]) == (made["sid"], 1, 1)
    cut = short.ask("POST", f"{PATH}/{made['sid']}", {"priority": 1}).json()
    assert seconds(cut["expires_at"]) - seconds(cut["last_seen"]) <= 20


def test_pr25_who_wants_is_hidden_and_who_must_stays_so(tenant: Tenant) -> None:
    alice = client(tenant, "alice")
    made = alice.ask("POST", PATH, {"endpoint_id": "desk", "hidden": True}).json()
    assert made["hidden"]
    assert alice.ask("POST", f"{PATH}/{made['sid']}", {"hidden": False}).json()["hidden"] is False
    forced = client(tenant, "alice", "presence:hidden")
    for body in ({"hidden": False}, {}):
        assert forced.ask("POST", f"{PATH}/{made['sid']}", body).json()["hidden"] is True
        assert forced.ask("POST", PATH, {"endpoint_id": "desk", **body}).json()["hidden"] is True


def test_pr2_the_permission_to_publish_is_enough_to_register(tenant: Tenant) -> None:
    words = token(tenant, "alice", "presence:publish", incoming=False)
    made = tenant.register("alice", token=words)
    assert (made.status_code, made.json()["incoming"]) == (201, False)


# The store: what another process did since the token was verified


@pytest.mark.parametrize(
    ("kind", "value", "at"),
    [("token", "t1", NOW - 9), ("key", KEY, NOW - 9), ("identity", "alice", NOW), ("account", A, NOW)],
)
def test_pr3_pr7_revoked_meanwhile_nothing_is_stored(db: Stores, kind: str, value: str, at: float) -> None:
    db.register("alice", "phone", token_id="t0", token_issued_at=NOW + 1, key_sid=A)
    row = {"account_sid": A, "kind": kind, "value": value, "at": at, "until": NOW + 9e4}
    db.database.write(lambda connection: connection.execute(insert(revocations), row).rowcount).result()
    newer = {"token_id": "t1", "token_issued_at": NOW, "key_sid": KEY}
    sid = device("alice", "phone").sid
    for ask in (
        lambda: db.register("alice", "desk", **newer),
        lambda: db.store.change(A, "alice", sid, NOW, fields=newer).result(),
    ):
        with pytest.raises(AccessRefused) as refused:
            ask()
        assert refused.value.refusal is Refusal.REVOKED
    assert [one[1] for one in db.log()] == ["registered"]
    db.register("alice", "phone", token_id="t0", token_issued_at=NOW + 1, key_sid=A)


def test_pr7_a_key_that_is_revoked_while_a_registration_waits_for_the_account(db: Stores) -> None:
    """Another process holds the account's lock and revokes the key; who waited sees it."""
    locked, go = threading.Event(), threading.Event()
    other = Database(db.database.url)

    def revoke(connection: Any) -> None:
        connection.execute(LOCK, {"account": A})
        locked.set()
        assert go.wait(10)
        connection.execute(keys.update().where(keys.c.key_sid == KEY).values(revoked=True))

    revoking = other.write(revoke, A)
    assert locked.wait(10)
    waiting = db.store.register(device(), NOW)
    threading.Timer(0.3, go.set).start()
    revoking.result()
    with pytest.raises(AccessRefused):
        waiting.result()
    other.close()
    assert db.log() == []


# PR-18: many at once


def test_pr18_fifty_writers_in_two_processes_lose_nothing(db: Stores) -> None:
    """Two stores of one database, as two processes have them; every write is kept, numbered and in its row."""
    second = Database(db.database.url)
    stores = [db.store, Store(second)]
    gate = threading.Barrier(50)

    def write(n: int) -> int:
        gate.wait(10)
        asked = device("alice", f"e{n % 5}")
        return stores[n % 2].register(asked, NOW, note=str(n)).result(30).version

    with ThreadPoolExecutor(50) as pool:
        versions = list(pool.map(write, range(50)))
    second.close()
    assert sorted(versions) == list(range(1, 51))
    assert len(db.log()) == 50
    with db.database.read() as connection:
        rows = connection.execute(select(endpoints.c.endpoint_id, endpoints.c.note)).all()
        last: dict[str, str] = {}
        order = select(changes.c.endpoint_id, changes.c.version).order_by(changes.c.sequence)
        for endpoint_id, version in connection.execute(order):
            last[endpoint_id] = str(versions.index(version))
    assert {row.endpoint_id: row.note for row in rows} == last


@pytest.mark.parametrize(("ids", "created"), [(("a", "a"), [False, True]), (("a", "b"), [True, True])])
def test_pr18_two_at_once_make_one_row_per_id(db: Stores, ids: tuple[str, str], created: list[bool]) -> None:
    second = Database(db.database.url)
    stores = [db.store, Store(second)]
    for turn in range(20):
        name, gate = f"c{turn}", threading.Barrier(2)

        def write(n: int, name: str = name, gate: threading.Barrier = gate) -> bool:
            gate.wait(10)
            asked = device(name, ids[n], sid=f"RG{n}")
            return stores[n].register(asked, NOW).result(30).registered.created

        with ThreadPoolExecutor(2) as pool:
            assert sorted(pool.map(write, range(2))) == created
        assert len(db.store.registrations(A, name).endpoints) == sum(created)
    second.close()


def test_pr18_over_http_by_two_connections(tenant: Tenant) -> None:
    def register(n: int) -> Any:
        return tenant.register(f"c{n // 4}", endpoint_id=f"e{n % 2}", note=str(n))

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(register, range(40)))
    assert sorted(answer.status_code for answer in answers) == [200] * 20 + [201] * 20
    for n in range(10):
        found = account(tenant).get(f"/Clients/c{n}/Registrations")
        assert len({answer.json()["sid"] for answer in answers[4 * n : 4 * n + 4]}) == 2
        assert (len(found["registrations"]), found["version"]) == (2, 4)


def test_pr16_of_two_changes_based_on_one_version_one_is_refused(db: Stores) -> None:
    sid = db.register().registered.endpoint.sid
    second = Database(db.database.url)
    stores = [db.store, Store(second)]
    for version in range(1, 21):
        asked: list[Future[Any]] = [
            store.change(A, "alice", sid, NOW, fields={"priority": 2 * version + n}, based_on=version)
            for n, store in enumerate(stores)
        ]
        outcomes = [future.exception(30) for future in asked]
        assert sorted(str(type(one).__name__) for one in outcomes) == ["NoneType", "StaleVersion"]
    second.close()
    assert db.version("alice") == 21


def test_pr16_an_ended_registration_is_not_changed_back_to_life(db: Stores) -> None:
    made = db.register()
    db.store.unregister(A, "alice", NOW, endpoint_id="e").result()
    for now, based_on in ((NOW, None), (NOW, made.version), (NOW, 2)):
        with pytest.raises(NotRegistered):
            db.store.change(A, "alice", made.registered.endpoint.sid, now, based_on=based_on).result()
    with pytest.raises(StaleVersion):
        db.register(based_on=made.version)
    db.register(now=NOW + 1)
    sid = db.store.registrations(A, "alice").endpoints[0].sid
    with pytest.raises(NotRegistered):
        db.store.change(A, "alice", sid, NOW + 91).result()

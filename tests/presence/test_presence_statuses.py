"""An account's own statuses (PR-20, PR-21)."""

from collections.abc import Iterator
from typing import Any

import pytest
from presence_asking import NOW, A, B, Stores, account, client, device, service
from presence_world import Tenant
from sqlalchemy import event

from presence.definitions.vocabulary import Vocabulary
from presence.faults import Absent, Conflict, Limited
from presence.joining import StatusUnknown
from presence.statuses import BUILT_IN, MOST, StatusKind

LUNCH = StatusKind(name="lunch", available=False, rank=150, voice=False, messages=True)
CALLS = StatusKind(name="calls-only", available=True, rank=450, voice=True, messages=False)


@pytest.fixture
def db(database_url: str) -> Iterator[Stores]:
    stores = Stores(database_url)
    yield stores
    stores.database.close()


@pytest.fixture
def vocabulary(db: Stores) -> Vocabulary:
    made = Vocabulary(db.store)
    for kind in (LUNCH, CALLS):
        made.create(A, kind, NOW).result()
    return made


def test_pr21_a_status_means_what_its_account_says(db: Stores, vocabulary: Vocabulary) -> None:
    db.register(status="lunch", capabilities=("voice", "sms"))
    assert db.sees("alice").told == ("lunch", False, ("voice", "sms"), "")
    assert not db.sees("alice", capability="voice").available
    assert db.sees("alice", capability="sms").available
    db.register(endpoint_id="f", status="calls-only", capabilities=("voice", "sms"))
    assert db.sees("alice").told[:2] == ("calls-only", True)
    assert db.sees("alice", capability="voice").available
    assert vocabulary.all(A) == [CALLS, LUNCH]
    assert vocabulary.all(B) == []
    assert vocabulary.find(A, "lunch") == LUNCH
    assert vocabulary.find(B, "away") == BUILT_IN["away"]


@pytest.mark.parametrize("name", ["offline", "asleep", "Lunch"])
def test_pr20_pr21_nobody_has_a_status_that_is_unknown(db: Stores, vocabulary: Vocabulary, name: str) -> None:
    sid = db.register().registered.endpoint.sid
    for ask in (
        lambda: db.register("bob", status=name),
        lambda: db.store.change(A, "alice", sid, NOW, status=name).result(),
        lambda: db.store.choose(A, "alice", name, "", NOW).result(),
    ):
        with pytest.raises(StatusUnknown):
            ask()
    assert len(db.log()) == 1


def test_pr21_a_new_meaning_reaches_who_has_the_status_and_is_told_once(
    db: Stores, vocabulary: Vocabulary
) -> None:
    db.register("alice", "desk", status="lunch", capabilities=("voice", "sms"))
    db.register("alice", "phone", status="dnd")
    db.register("bob", status="lunch")
    db.register("carol", status="away")
    db.register("gone", status="lunch", expires_at=NOW + 1)
    before = len(db.log())
    changed = vocabulary.change(A, "lunch", {"rank": 50, "voice": True}, NOW + 2).result()
    assert (changed.rank, changed.voice, changed.messages, changed.available) == (50, True, True, False)
    assert vocabulary.find(A, "lunch") == changed
    assert db.sees("alice", NOW + 2).status == "dnd"
    assert db.sees("bob", NOW + 2, capability="voice").available
    assert db.log()[before:] == [("alice", "updated", "", True), ("bob", "updated", "", False)]
    vocabulary.change(A, "lunch", {"rank": 50}, NOW + 2).result()
    assert len(db.log()) == before + 2


def test_pr21_a_status_in_use_stays(db: Stores, vocabulary: Vocabulary) -> None:
    db.register(status="lunch")
    db.store.choose(A, "nobody", "calls-only", "", NOW).result()
    for name in ("lunch", "calls-only"):
        with pytest.raises(Conflict):
            vocabulary.delete(A, name).result()
    db.store.unregister(A, "alice", NOW, endpoint_id="e").result()
    db.store.choose(A, "nobody", "", "", NOW).result()
    for name in ("lunch", "calls-only"):
        vocabulary.delete(A, name).result()
        with pytest.raises(Absent):
            vocabulary.delete(A, name).result()
    assert vocabulary.all(A) == []


def test_pr21_statuses_are_capped_and_their_names_are_unique(db: Stores, vocabulary: Vocabulary) -> None:
    with pytest.raises(Conflict, match="lunch"):
        vocabulary.create(A, LUNCH, NOW).result()
    vocabulary.create(B, LUNCH, NOW).result()
    names = [f"s{n}" for n in range(MOST - 2)]
    for future in [vocabulary.create(A, _named(name), NOW) for name in names]:
        future.result()
    with pytest.raises(Limited, match=str(MOST)):
        vocabulary.create(A, _named("more"), NOW).result()
    with pytest.raises(Absent):
        vocabulary.create("AC" + "9" * 32, LUNCH, NOW).result()


def test_pr21_a_new_meaning_takes_few_statements_for_many_devices(db: Stores, vocabulary: Vocabulary) -> None:
    for future in [db.store.register(device(f"c{n}"), NOW, status="lunch") for n in range(600)]:
        future.result()
    statements: list[str] = []
    event.listen(db.database.writer_engine, "before_cursor_execute", lambda *a: statements.append(a[2]))
    vocabulary.change(A, "lunch", {"rank": 1}, NOW).result()
    assert len(statements) < 30
    assert len(db.log()) == 1200


def _named(name: str) -> StatusKind:
    return StatusKind(name=name, available=True, rank=0, voice=True, messages=True)


# Over HTTP

BODY = {"name": "lunch", "available": False, "rank": 150, "messages": True}


def test_pr21_statuses_are_resources(tenant: Tenant) -> None:
    server = account(tenant)
    made = server.ask("POST", "/Statuses", BODY)
    assert made.status_code == 201
    uri = f"/v1/Accounts/{tenant.account}/Statuses/lunch"
    assert made.json() == {
        "account_sid": tenant.account, "name": "lunch", "available": False, "rank": 150, "voice": False,
        "messages": True, "built_in": False, "uri": uri,
    }  # fmt: skip
    assert server.does("POST", "/Statuses", BODY) == (409, 20409)
    found = client(tenant, "alice").get("/Statuses")["statuses"]
    assert [one["name"] for one in found] == ["available", "away", "busy", "dnd", "lunch"]
    assert [one["built_in"] for one in found] == [True] * 4 + [False]
    changed = service(tenant).ask("POST", "/Statuses/lunch", {"rank": 160, "voice": True}).json()
    assert (changed["rank"], changed["voice"], changed["messages"]) == (160, True, True)
    assert server.get("/Statuses/lunch") == changed
    assert tenant.register("alice", status="lunch").status_code == 201
    assert server.does("DELETE", "/Statuses/lunch") == (409, 20409)
    assert tenant.register("alice", status="away").status_code == 200
    assert server.does("DELETE", "/Statuses/lunch") == (204, 0)
    assert server.does("DELETE", "/Statuses/lunch") == (404, 20404)
    assert tenant.register("alice", status="lunch").status_code == 400


@pytest.mark.parametrize(
    ("change", "status", "names"),
    [
        ({"name": "available"}, 409, "available"),
        ({"name": "offline"}, 409, "offline"),
        ({"name": "Lunch"}, 400, "name"),
        ({"name": "x" * 65}, 400, "name"),
        ({"name": None}, 400, "name"),
        ({"available": "yes"}, 400, "available"),
        ({"available": None}, 400, "available"),
        ({"rank": 1001}, 400, "rank"),
        ({"rank": True}, 400, "rank"),
        ({"voice": 1}, 400, "voice"),
        ({"messages": None}, 400, "messages"),
    ],
)
def test_pr21_a_bad_field_is_named(
    tenant: Tenant, change: dict[str, object], status: int, names: str
) -> None:
    answer = account(tenant).ask("POST", "/Statuses", {**BODY, **change})
    assert answer.status_code == status
    assert names in answer.json()["message"]
    assert len(account(tenant).get("/Statuses")["statuses"]) == 4


@pytest.mark.parametrize(
    ("method", "name", "body", "outcome"),
    [
        ("POST", "lunch", {"available": True}, (400, 20001)),
        ("POST", "lunch", {"available": False}, (400, 20001)),
        ("POST", "lunch", {"name": "x"}, (400, 20001)),
        ("POST", "lunch", {"rank": "1"}, (400, 20001)),
        ("POST", "busy", {"rank": 1}, (409, 20409)),
        ("DELETE", "dnd", None, (409, 20409)),
        ("POST", "none", {"rank": 1}, (404, 20404)),
        ("DELETE", "none", None, (404, 20404)),
        ("GET", "none", None, (404, 20404)),
        ("GET", "%00", None, (404, 20404)),
        ("POST", "%00", {"rank": 1}, (404, 20404)),
        ("GET", "offline", None, (404, 20404)),
    ],
)
def test_pr21_what_cant_be_done_to_a_status(
    tenant: Tenant, method: str, name: str, body: Any, outcome: tuple[int, int]
) -> None:
    server = account(tenant)
    server.ask("POST", "/Statuses", BODY)
    before = server.get("/Statuses")
    assert server.does(method, f"/Statuses/{name}", body) == outcome
    assert server.get("/Statuses") == before


def test_pr9_clients_only_read_statuses(tenant: Tenant) -> None:
    account(tenant).ask("POST", "/Statuses", BODY)
    alice = client(tenant, "alice", "presence:publish", "presence:read:account")
    assert alice.get("/Statuses/lunch")["rank"] == 150
    for method, path, body in (
        ("POST", "/Statuses", {**BODY, "name": "x"}),
        ("POST", "/Statuses/lunch", {"rank": 1}),
        ("DELETE", "/Statuses/lunch", None),
    ):
        assert alice.does(method, path, body) == (403, 20403)

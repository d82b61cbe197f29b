"""Destinations: names that stand for several clients (PR-28, PR-61)."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from presence_asking import NOW, A, B, Stores, account, client, service
from presence_world import Tenant, sid

from presence.definitions.destinations import MOST_TARGETS, Destinations, Target, TargetRefused
from presence.faults import Absent, Conflict, Limited


@pytest.fixture
def db(database_url: str) -> Iterator[Stores]:
    stores = Stores(database_url)
    yield stores
    stores.database.close()


@pytest.fixture
def stock(db: Stores) -> Destinations:
    return Destinations(db.store)


def clients(*names: str, account_sid: str = A) -> list[Target]:
    return [Target(account_sid, name) for name in names]


def test_pr28_targets_keep_their_order_and_are_replaced_at_once(stock: Destinations) -> None:
    assert stock.put(A, "sales", [*clients("z", "a"), Target(B, "m")], NOW).result()
    assert stock.find(A, "sales").targets == ((A, "z"), (A, "a"), (B, "m"))
    assert not stock.put(A, "sales", clients("a"), NOW + 1).result()
    found = stock.find(A, "sales")
    assert (found.targets, found.created_at, found.updated_at) == (((A, "a"),), NOW, NOW + 1)
    stock.put(A, "help", clients("b"), NOW).result()
    assert [one.name for one in stock.all(A, after="", most=9)] == ["help", "sales"]
    assert [one.name for one in stock.all(A, after="help", most=9)] == ["sales"]
    stock.delete(A, "sales").result()
    with pytest.raises(Absent):
        stock.find(A, "sales")
    stock.put(A, "sales", clients("c"), NOW).result()
    assert stock.find(A, "sales").targets == ((A, "c"),)


def test_pr28_replaced_by_many_at_once_it_is_one_of_theirs(stock: Destinations) -> None:
    wanted = [clients(*(f"c{n}-{m}" for m in range(n % 5 + 1))) for n in range(40)]
    with ThreadPoolExecutor(8) as pool:
        created = list(pool.map(lambda targets: stock.put(A, "sales", targets, NOW).result(), wanted))
    assert created.count(True) == 1
    assert list(stock.find(A, "sales").targets) in wanted


def test_pr28_one_level_only(stock: Destinations) -> None:
    stock.put(A, "sales", clients("alice"), NOW).result()
    stock.put(B, "sales", clients("bob", account_sid=B), NOW).result()
    for name, targets in (
        ("all", clients("sales")),
        ("all", clients("sales", account_sid=B)),
        ("self", clients("self")),
        ("sales", clients("sales")),
    ):
        with pytest.raises(TargetRefused, match="is itself a destination"):
            stock.put(A, name, targets, NOW).result()
    with pytest.raises(Conflict, match="alice"):
        stock.put(A, "alice", clients("carol"), NOW).result()
    stock.put(B, "alice", clients("carol", account_sid=B), NOW).result()
    assert [one.name for one in stock.all(A, after="", most=9)] == ["sales"]


def test_pr61_targets_are_of_known_accounts(stock: Destinations) -> None:
    with pytest.raises(TargetRefused, match="AC9"):
        stock.put(A, "sales", [*clients("a"), Target("AC" + "9" * 32, "b")], NOW).result()
    with pytest.raises(Absent):
        stock.put("AC" + "9" * 32, "sales", clients("a"), NOW).result()
    with pytest.raises(Absent):
        stock.find(A, "sales")


def test_pr28_destinations_are_capped(stock: Destinations, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("presence.definitions.destinations.MOST", 3)
    for n in range(3):
        stock.put(A, f"d{n}", clients("a"), NOW).result()
    with pytest.raises(Limited, match="at most 3 "):
        stock.put(A, "one-more", clients("a"), NOW).result()
    assert not stock.put(A, "d0", clients("b"), NOW).result()


# Over HTTP


def test_pr28_destinations_are_resources(tenant: Tenant) -> None:
    server = account(tenant)
    made = server.ask("PUT", "/Destinations/sales", {"targets": [{"client": "z"}, {"client": "a"}]})
    assert made.status_code == 201
    shown = made.json()
    own = tenant.account
    assert shown["targets"] == [{"account_sid": own, "client": "z"}, {"account_sid": own, "client": "a"}]
    assert shown["uri"] == f"/v1/Accounts/{own}/Destinations/sales"
    assert server.get("/Destinations/sales") == shown
    assert server.get("/Destinations") == {"destinations": [shown], "next_page_token": None}
    assert server.does("PUT", "/Destinations/sales", {"targets": [{"client": "b"}]}) == (200, 0)
    assert [one["client"] for one in server.get("/Destinations/sales")["targets"]] == ["b"]
    assert server.does("DELETE", "/Destinations/sales") == (204, 0)
    assert server.does("DELETE", "/Destinations/sales") == (404, 20404)
    assert server.does("GET", "/Destinations/sales") == (404, 20404)


def test_pr61_only_the_operator_points_at_other_accounts(tenant: Tenant) -> None:
    """And an account learns nothing about others by trying."""
    other = tenant.world.tenant()
    foreign = {"targets": [{"client": "bob", "account_sid": other.account}]}
    unknown = {"targets": [{"client": "bob", "account_sid": sid("AC")}]}
    mine = account(tenant)
    answers = [mine.ask("PUT", "/Destinations/sales", body) for body in (foreign, unknown)]
    assert [answer.status_code for answer in answers] == [403, 403]
    assert answers[0].text == answers[1].text
    assert service(tenant).does("PUT", "/Destinations/sales", unknown) == (400, 20001)
    assert service(tenant).does("PUT", "/Destinations/sales", foreign) == (201, 0)
    assert mine.get("/Destinations/sales")["targets"] == foreign["targets"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, str(MOST_TARGETS)),
        ({"targets": []}, "1 to"),
        ({"targets": [{"client": f"c{n}"} for n in range(MOST_TARGETS + 1)]}, str(MOST_TARGETS)),
        ({"targets": ["alice"]}, "object"),
        ({"targets": [{"client": "a b"}]}, "client name"),
        ({"targets": [{}]}, "client"),
        ({"targets": [{"client": "a"}, {"client": "a"}]}, "twice"),
        ({"targets": [{"client": "a", "account_sid": 1}]}, "account_sid"),
        ({"targets": [{"client": "sales"}]}, "itself a destination"),
    ],
)
def test_pr28_a_bad_field_is_named(tenant: Tenant, body: dict[str, Any], message: str) -> None:
    answer = account(tenant).ask("PUT", "/Destinations/sales", body)
    assert answer.status_code == 400
    assert message in answer.json()["message"]
    assert account(tenant).get("/Destinations")["destinations"] == []


def test_pr9_clients_have_no_business_with_destinations(tenant: Tenant) -> None:
    alice = client(tenant, "alice", "presence:read:account")
    for method in ("GET", "PUT", "DELETE"):
        assert alice.does(method, "/Destinations/sales", {}) == (403, 20403)


def test_pr6_a_destination_is_named_like_a_client(tenant: Tenant) -> None:
    mine = account(tenant)
    assert mine.does("PUT", "/Destinations/a%20b", {"targets": [{"client": "a"}]}) == (400, 31105)
    for name in ("a%20b", "%00"):
        assert mine.does("GET", f"/Destinations/{name}") == (404, 20404)
        assert mine.does("DELETE", f"/Destinations/{name}") == (404, 20404)

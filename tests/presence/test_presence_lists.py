"""Contact lists (PR-33)."""

from collections.abc import Iterator

import pytest
from presence_asking import NOW, A, B, Stores, account, client, service
from presence_world import Tenant

from presence.definitions.lists import MOST_CLIENTS, ContactLists
from presence.faults import Absent, Conflict, Limited


@pytest.fixture
def db(database_url: str) -> Iterator[Stores]:
    stores = Stores(database_url)
    yield stores
    stores.database.close()


@pytest.fixture
def lists(db: Stores) -> ContactLists:
    return ContactLists(db.store)


def test_pr33_a_member_is_told_of_with_its_list_though_never_seen(db: Stores, lists: ContactLists) -> None:
    db.register("alice")
    lists.create(A, "team", ["bob", "alice", "bob"], NOW).result()
    assert db.log()[1:] == [("alice", "listed", "team", True), ("bob", "listed", "team", True)]
    assert (db.version("alice"), db.version("bob")) == (2, 1)
    assert lists.clients(A, "team") == ["alice", "bob"]
    assert lists.find(A, "team").clients == 2
    assert lists.put(A, "team", "carol", NOW).result()
    assert lists.take(A, "team", "alice", NOW).result()
    assert db.log()[3:] == [("carol", "listed", "team", True), ("alice", "unlisted", "team", True)]
    assert lists.clients(A, "team") == ["bob", "carol"]


def test_pr33_what_changes_nothing_is_told_to_nobody(db: Stores, lists: ContactLists) -> None:
    lists.create(A, "team", ["bob"], NOW).result()
    assert not lists.put(A, "team", "bob", NOW).result()
    assert not lists.take(A, "team", "alice", NOW).result()
    lists.rename(A, "team", "team", NOW).result()
    assert len(db.log()) == 1


def test_pr33_renamed_its_members_leave_the_old_name_and_join_the_new(
    db: Stores, lists: ContactLists
) -> None:
    lists.create(A, "team", ["a", "b"], NOW).result()
    lists.rename(A, "team", "crew", NOW + 1).result()
    assert db.log()[2:] == [
        ("a", "unlisted", "team", True),
        ("b", "unlisted", "team", True),
        ("a", "listed", "crew", True),
        ("b", "listed", "crew", True),
    ]
    assert db.version("a") == 3
    assert lists.clients(A, "crew") == ["a", "b"]
    assert (lists.find(A, "crew").created_at, lists.find(A, "crew").updated_at) == (NOW, NOW + 1)
    with pytest.raises(Absent):
        lists.clients(A, "team")


def test_pr33_deleted_its_members_leave_it(db: Stores, lists: ContactLists) -> None:
    lists.create(A, "team", ["a", "b"], NOW).result()
    lists.create(A, "other", ["a"], NOW).result()
    lists.delete(A, "team", NOW).result()
    assert db.log()[3:] == [("a", "unlisted", "team", True), ("b", "unlisted", "team", True)]
    assert [one.name for one in lists.all(A, after="", most=9, only=None)] == ["other"]
    lists.create(A, "team", [], NOW).result()
    assert lists.clients(A, "team") == []


def test_pr33_a_list_is_capped_and_a_refusal_writes_nothing(db: Stores, lists: ContactLists) -> None:
    names = [f"c{n:04}" for n in range(MOST_CLIENTS)]
    lists.create(A, "team", names, NOW).result()
    with pytest.raises(Limited, match=str(MOST_CLIENTS)):
        lists.put(A, "team", "one-more", NOW).result()
    with pytest.raises(Limited, match=str(MOST_CLIENTS)):
        lists.create(A, "big", [*names, "one-more"], NOW).result()
    assert len(db.log()) == MOST_CLIENTS
    with pytest.raises(Absent):
        lists.find(A, "big")
    lists.rename(A, "team", "crew", NOW).result()
    assert len(db.log()) == 3 * MOST_CLIENTS


def test_pr33_lists_are_capped(lists: ContactLists, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("presence.definitions.lists.MOST_LISTS", 3)
    for n in range(3):
        lists.create(A, f"l{n}", [], NOW).result()
    with pytest.raises(Limited, match="at most 3 "):
        lists.create(A, "one-more", [], NOW).result()
    lists.create(B, "one-more", [], NOW).result()


def test_pr33_a_name_is_one_list(db: Stores, lists: ContactLists) -> None:
    lists.create(A, "team", ["a"], NOW).result()
    lists.create(A, "crew", ["b"], NOW).result()
    with pytest.raises(Conflict):
        lists.create(A, "team", [], NOW).result()
    with pytest.raises(Conflict):
        lists.rename(A, "team", "crew", NOW).result()
    assert (lists.clients(A, "team"), lists.clients(A, "crew")) == (["a"], ["b"])


def test_pr33_accounts_have_lists_of_their_own(db: Stores, lists: ContactLists) -> None:
    lists.create(A, "team", ["a"], NOW).result()
    for ask in (
        lambda: lists.clients(B, "team"),
        lambda: lists.find(B, "team"),
        lambda: lists.put(B, "team", "x", NOW).result(),
        lambda: lists.take(B, "team", "a", NOW).result(),
        lambda: lists.rename(B, "team", "x", NOW).result(),
        lambda: lists.delete(B, "team", NOW).result(),
        lambda: lists.create("AC" + "9" * 32, "team", [], NOW).result(),
    ):
        with pytest.raises(Absent):
            ask()
    assert lists.clients(A, "team") == ["a"]


# Over HTTP


def test_pr33_lists_are_resources(tenant: Tenant) -> None:
    server = account(tenant)
    made = server.ask("POST", "/ContactLists", {"name": "team", "clients": ["bob", "alice"]})
    assert made.status_code == 201
    shown = made.json()
    assert {name: shown[name] for name in ("account_sid", "name", "clients", "uri")} == {
        "account_sid": tenant.account,
        "name": "team",
        "clients": 2,
        "uri": f"/v1/Accounts/{tenant.account}/ContactLists/team",
    }
    assert server.does("POST", "/ContactLists", {"name": "team"}) == (409, 20409)
    assert server.does("PUT", "/ContactLists/team/Clients/carol@example.com") == (204, 0)
    assert server.does("PUT", "/ContactLists/team/Clients/carol@example.com") == (204, 0)
    assert server.does("DELETE", "/ContactLists/team/Clients/bob") == (204, 0)
    assert server.does("DELETE", "/ContactLists/team/Clients/bob") == (204, 0)
    members = {"clients": ["alice", "carol@example.com"], "next_page_token": None}
    assert server.get("/ContactLists/team/Clients") == members
    renamed = service(tenant).ask("POST", "/ContactLists/team", {"name": "crew"}).json()
    assert (renamed["name"], renamed["clients"]) == ("crew", 2)
    assert server.get("/ContactLists/crew") == renamed
    assert server.get("/ContactLists")["contact_lists"] == [renamed]
    assert server.does("GET", "/ContactLists/team") == (404, 20404)
    assert server.does("DELETE", "/ContactLists/crew") == (204, 0)
    assert server.does("DELETE", "/ContactLists/crew") == (404, 20404)


def test_pr33_pr37_pages_follow_each_other(tenant: Tenant) -> None:
    server = account(tenant)
    names = [f"m{n}" for n in range(7)]
    server.ask("POST", "/ContactLists", {"name": "team", "clients": names})
    for name in ("a", "b"):
        server.ask("POST", "/ContactLists", {"name": name})
    found, more = [], ""
    while more is not None:
        page = server.get("/ContactLists/team/Clients", page_size=3, page_token=more)
        assert len(page["clients"]) <= 3
        found, more = found + page["clients"], page["next_page_token"]
    assert found == names
    first = server.get("/ContactLists", page_size=2)
    assert ([one["name"] for one in first["contact_lists"]], first["next_page_token"]) == (["a", "b"], "b")
    for size in ("0", "1001", "x", "-1", "1e1", "\u0663"):
        assert server.ask("GET", "/ContactLists", page_size=size).status_code == 400


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "a b"}, "name"),
        ({"name": "a/b"}, "name"),
        ({"name": "x" * 65}, "name"),
        ({"name": "team", "clients": "bob"}, "clients"),
        ({"name": "team", "clients": ["a b"]}, "client name"),
        ({"name": "team", "clients": [1]}, "clients"),
        ({"name": "team", "clients": ["a"] * 1001}, "1000"),
    ],
)
def test_pr33_a_bad_field_is_named(tenant: Tenant, body: dict[str, object], message: str) -> None:
    answer = account(tenant).ask("POST", "/ContactLists", body)
    assert answer.status_code == 400
    assert message in answer.json()["message"]
    assert account(tenant).get("/ContactLists")["contact_lists"] == []


def test_pr30_pr31_a_client_sees_the_lists_that_it_may_read_and_no_other(tenant: Tenant) -> None:
    server = account(tenant)
    for name in ("team", "secret"):
        server.ask("POST", "/ContactLists", {"name": name, "clients": ["bob"]})
    alice = client(tenant, "alice", "presence:read:list:team", "presence:read:list:none")
    assert [one["name"] for one in alice.get("/ContactLists")["contact_lists"]] == ["team"]
    assert alice.get("/ContactLists/team/Clients")["clients"] == ["bob"]
    for end in ("", "/Clients"):
        hidden, nothing = (alice.ask("GET", f"/ContactLists/{name}{end}") for name in ("secret", "none"))
        assert hidden.status_code == nothing.status_code == 404
        assert hidden.text.replace("secret", "none") == nothing.text
    everyone = client(tenant, "alice", "presence:read:account")
    assert len(everyone.get("/ContactLists")["contact_lists"]) == 2
    for words in (["presence:read:self"], ["presence:read:prefix:b"]):
        assert client(tenant, "alice", *words).get("/ContactLists")["contact_lists"] == []
    assert client(tenant, "alice").does("GET", "/ContactLists") == (403, 20403)
    for method, path in (
        ("POST", "/ContactLists"),
        ("POST", "/ContactLists/team"),
        ("DELETE", "/ContactLists/team"),
        ("PUT", "/ContactLists/team/Clients/x"),
        ("DELETE", "/ContactLists/team/Clients/bob"),
    ):
        assert everyone.does(method, path, {"name": "x"}) == (403, 20403)
    assert server.get("/ContactLists/team/Clients")["clients"] == ["bob"]


@pytest.mark.parametrize("path", ["/ContactLists/%00", "/ContactLists/%00/Clients", "/ContactLists/a%20b"])
def test_a_name_that_no_list_can_have_is_absent(tenant: Tenant, path: str) -> None:
    assert account(tenant).does("GET", path) == (404, 20404)

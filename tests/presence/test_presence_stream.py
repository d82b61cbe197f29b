"""Streams of changes over real HTTP, on SQLite and PostgreSQL (PR-40 to PR-47)."""

import base64
import re
import socket
import time
from collections.abc import Iterator

import pytest
import requests
from presence_world import SECONDS
from sqlalchemy.exc import OperationalError
from streams_world import TOKEN, Account, Node

from foundation.webserver.service import service_token
from presence.access.refusals import Refusal
from presence.subscriptions import crowd
from tests.support import tables

READ = ("presence:read:account", "events:subscribe")


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """One process on SQLite; tests keep apart by account."""
    url = f"sqlite:///{tmp_path_factory.mktemp('streams')}/presence.sqlite3"
    tables.make(url, "presence")
    running = Node(url)
    yield running
    running.close()


@pytest.fixture
def account(node: Node) -> Iterator[Account]:
    yield node.presence.account()
    node.hang_up()


@pytest.fixture
def each(database_url: str) -> Iterator[Node]:
    """One on each kind of database."""
    tables.make(database_url, "presence")
    running = Node(database_url)
    yield running
    running.close()


def test_pr41_a_snapshot_first_then_what_changes(each: Node) -> None:
    node, account = each, each.presence.account()
    account.put("alice")
    stream = node.server(account)
    assert stream.response.headers["Content-Type"].startswith("text/event-stream")
    first = stream.message()
    assert (first["snapshot"], [one["client"] for one in first["clients"]]) == (True, ["alice"])
    account.put("bob", note="hi")
    second = stream.message()
    assert (second["snapshot"], second["removed"]) == (False, [])
    assert second["clients"][0] | {"at": ""} == {
        "client": "bob",
        "available": True,
        "status": "available",
        "note": "hi",
        "capabilities": ["voice"],
        "version": 1,
        "sequence": second["as_of"],
        "at": "",
    }
    account.gone("alice")
    assert stream.message()["clients"][0]["status"] == "offline"


def test_pr44_what_nobody_sees_is_told_with_detail_only(each: Node) -> None:
    node, account = each, each.presence.account()
    account.put("alice")
    plain, detail = node.server(account), node.server(account, "detail=true")
    plain.message()
    assert [one["endpoint_id"] for one in detail.message()["clients"][0]["endpoints"]] == ["e"]
    account.put("alice")  # a heartbeat
    account.put("alice", "second")
    assert len(detail.message()["clients"][0]["endpoints"]) == 2
    account.put("alice", "third", hidden=True)
    assert [one["hidden"] for one in detail.message()["clients"][0]["endpoints"]].count(True) == 1
    account.gone("alice", "second")
    assert len(detail.message()["clients"][0]["endpoints"]) == 2
    account.put("bob")
    assert plain.message()["clients"][0]["client"] == "bob"  # and nothing of alice before


def test_pr25_who_opted_out_is_never_told_to_clients(node: Node, account: Account) -> None:
    stream = node.open(account, account.token("zoe", *READ, "presence:read:detail"), "detail=true")
    stream.message()
    account.put("ghost", hidden=True)
    account.put("ghost", hidden=True, status="away")
    account.gone("ghost")
    account.put("alice", priority=1)
    account.put("alice", "secret", hidden=True)
    account.put("alice", priority=2)
    stream.until(
        lambda one: [it["priority"] for it in one.view.get("alice", {"endpoints": []})["endpoints"]] == [2]
    )
    told = [one for message in stream.messages for one in message["clients"]]
    assert {one["client"] for one in told} == {"alice"}
    assert all([device["endpoint_id"] for device in one["endpoints"]] == ["e"] for one in told)


def test_pr43_a_subscriber_that_was_cut_off_misses_nothing(each: Node) -> None:
    node, account = each, each.presence.account()
    stream = node.server(account)
    account.put("alice")
    account.put("bob")
    stream.until(lambda one: len(one.view) == 2)
    cursor = stream.cursor
    stream.close()
    account.gone("alice")
    account.put("carol")
    account.put("carol", status="away")
    back = node.server(account, Last_Event_ID=cursor)
    missed = back.message()
    assert not missed["snapshot"]
    assert back.statuses() == {"alice": "offline", "carol": "away"}
    assert node.server(account, f"cursor={missed['as_of']}").message() | {"as_of": 0} == {
        "as_of": 0,
        "snapshot": False,
        "clients": [],
        "removed": [],
    }


@pytest.mark.parametrize("cursor", [999, 0])
def test_a_cursor_that_is_not_known_any_more_gives_a_snapshot(
    node: Node, account: Account, cursor: int
) -> None:
    account.put("alice")
    account.put("bob")
    account.gone("bob")
    forget = f"DELETE FROM changes WHERE account_sid = '{account.sid}' AND sequence < 3"
    account.presence.database.write(lambda connection: connection.exec_driver_sql(forget)).result(SECONDS)
    stream = node.server(account, f"cursor={cursor}")
    assert stream.message()["snapshot"]
    assert stream.statuses() == {"alice": "available"}


def test_pr40_lists_names_and_prefixes(each: Node) -> None:
    node, account = each, each.presence.account()
    account.enlist("sales", "ann", "bob")
    account.put("ann")
    on_list, named = node.server(account, "list=sales"), node.server(account, "clients=cid,dan")
    prefixed = node.server(account, "prefix=a")
    for stream in (on_list, named, prefixed):
        assert stream.message()["snapshot"]
    assert on_list.statuses() == {"ann": "available", "bob": "offline"}
    assert named.statuses() == {"cid": "offline", "dan": "offline"}
    assert prefixed.statuses() == {"ann": "available"}
    account.put("cid")
    assert named.message()["clients"][0]["client"] == "cid"
    account.put_on("sales", "cid")
    assert on_list.message()["clients"][0]["client"] == "cid"
    account.take_off("sales", "ann")
    assert on_list.message()["removed"] == ["ann"]
    account.put("ann", status="away")  # not on the list any more
    account.put("abe")
    prefixed.until(lambda one: "abe" in one.view)
    assert prefixed.statuses() == {"ann": "away", "abe": "available"}
    account.put("bob")
    assert [one["client"] for one in on_list.message()["clients"]] == ["bob"]


def test_pr30_pr32_pr47_a_client_sees_its_scope_and_loses_what_it_may_not(each: Node) -> None:
    node, account = each, each.presence.account()
    account.enlist("sales", "ann")
    account.enlist("mine", "ann", "bob")
    for name in ("ann", "bob", "cid"):
        account.put(name)
    words = ("presence:read:list:mine", "presence:connect:list:sales", "events:subscribe")
    token = account.token("zoe", *words)
    roster, connectable = node.open(account, token), node.open(account, token, "view=connectable")
    for stream in (roster, connectable):
        stream.message()
    assert (set(roster.view), set(connectable.view)) == ({"ann", "bob"}, {"ann"})
    account.put_on("sales", "bob")
    connectable.message()
    account.take_off("sales", "ann")
    assert connectable.message()["removed"] == ["ann"]
    account.put("cid", status="away")
    account.take_off("mine", "bob")
    assert roster.message() | {"as_of": 0} == {
        "as_of": 0,
        "snapshot": False,
        "clients": [],
        "removed": ["bob"],
    }
    assert connectable.message()["removed"] == ["bob"]
    foreign = node.open(account, token, "list=sales")  # may not be read: as if it were empty
    assert foreign.message()["clients"] == []


def test_pr9_a_watcher_of_another_account_sees_nothing(node: Node, account: Account) -> None:
    other = node.presence.account()
    account.put("alice")
    stream = node.server(other)
    assert stream.message()["clients"] == []
    account.put("bob")
    other.put("bob", status="dnd")
    assert stream.message()["clients"][0]["status"] == "dnd"
    assert node.open(account, other.token("zoe", *READ)).status == 403


@pytest.mark.parametrize(
    ("words", "query", "status", "code"),
    [
        ((), "", 403, 20403),
        (("presence:read:account",), "", 403, 20403),
        (READ, "clients=a&list=b", 400, 20001),
        (READ, "detail=perhaps", 400, 20001),
        (READ, "cursor=-1", 400, 20001),
        (READ, "clients=no%20name", 400, 31105),
        (READ, "a=1&" * 30, 400, 20001),
    ],
)
def test_refusals_say_why(
    node: Node, account: Account, words: tuple[str, ...], query: str, status: int, code: int
) -> None:
    stream = node.open(account, account.token("zoe", *words), query)
    assert (stream.status, stream.response.json()["code"]) == (status, code)


def test_an_unknown_account_and_other_methods_are_refused(node: Node, account: Account) -> None:
    url = f"http://{node.address}/v1/Accounts/{account.sid}/PresenceStream"
    assert requests.get(url, timeout=SECONDS).status_code == 401
    answer = requests.post(url, auth=(account.sid, "t" * 32), timeout=SECONDS)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET")


def test_a_database_that_is_away_is_503(
    node: Node, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> object:
        raise OperationalError("SELECT", {}, Exception("away"))

    monkeypatch.setattr("presence.subscriptions.log.heads", fails)
    refused = node.server(account)
    assert (refused.status, refused.response.json()["code"]) == (503, 20503)
    assert refused.response.headers["Retry-After"] == "1"


def test_an_account_that_does_not_exist_is_absent_for_our_own_servers(node: Node) -> None:
    service = service_token(node.presence.keys, "presence", "test")
    url = f"http://{node.address}/v1/Accounts/AC{'0' * 32}/PresenceStream"
    answer = requests.get(url, headers={"Authorization": f"Bearer {service}"}, timeout=SECONDS)
    assert (answer.status_code, answer.json()["code"]) == (404, 20404)


def test_streams_of_one_client_are_counted(
    node: Node, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crowd, "MOST_OF_A_CLIENT", 2)
    token = account.token("zoe", *READ)
    first, _second = [node.open(account, token) for _ in range(2)]
    refused = node.open(account, token)
    assert (refused.status, refused.response.json()["code"]) == (429, 20429)
    assert refused.response.headers["Retry-After"]
    first.close()
    deadline = time.monotonic() + SECONDS
    while node.open(account, token).status == 429 and time.monotonic() < deadline:
        account.put("alice")  # a write on the closed connection shows that it is gone
    assert time.monotonic() < deadline


def test_pr8_pr47_a_token_that_ends_is_announced_and_ends_the_stream(node: Node, account: Account) -> None:
    stream = node.open(account, account.token("zoe", *READ, ttl=2))
    name, body = stream.event()
    assert (name, body["seconds"] <= 2) == ("expiring", True)
    stream.message()
    assert stream.event() == (
        "ended",
        {"code": 20104, "message": "the token has expired (31205)", "retry": False},
    )
    assert stream.event() == ("", None)


def test_pr7_pr47_a_revoked_token_ends_its_streams_and_no_others(node: Node, account: Account) -> None:
    zoe, yan = (node.open(account, account.token(name, *READ)) for name in ("zoe", "yan"))
    for stream in (zoe, yan):
        stream.message()
    node.on_loop(lambda: node.feed.end_where(Refusal.REVOKED, lambda grant: grant.identity == "zoe"))
    assert zoe.event()[0] == "ended"
    account.put("alice")
    assert yan.message()["clients"][0]["client"] == "alice"


def test_a_stream_that_was_revoked_while_it_opened_ends(
    node: Node, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = account.token("zoe", *READ)
    recognise, calls = node.stream._recognise, []

    def late(authorization: str, account_sid: str, address: str) -> object:
        found = recognise(authorization, account_sid, address)
        if not calls:
            calls.append(found)
            node.presence.directory.delete_key(account.key, time.time()).result(SECONDS)
        return found

    monkeypatch.setattr(node.stream, "_recognise", late)
    assert node.open(account, token).event()[0] == "ended"


def test_keep_alives_come_while_nothing_happens(tmp_path: object) -> None:
    url = f"sqlite:///{tmp_path}/presence.sqlite3"
    tables.make(url, "presence")
    node = Node(url, keep_alive=0.05)
    try:
        account = node.presence.account()
        stream = node.open(account, account.token("zoe", *READ, ttl=1.5))
        assert [stream.event()[0] for _ in range(3)] == ["expiring", "presence", "ended"]
        assert stream.comments >= 3
    finally:
        node.close()


def test_a_stopping_server_tells_its_streams_to_come_back(each: Node) -> None:
    node, account = each, each.presence.account()
    stream = node.server(account)
    stream.message()
    started = time.monotonic()
    node.stop()
    name, body = stream.event()
    assert (name, body["retry"]) == ("ended", True)
    assert time.monotonic() - started < 5


def test_pr46_a_reader_that_does_not_read_slows_nobody_and_misses_nothing(
    node: Node, account: Account
) -> None:
    names = [f"client-{n:03}-{'x' * 235}" for n in range(400)]
    login = base64.b64encode(f"{account.sid}:{TOKEN}".encode()).decode()
    host, port = node.address.split(":")
    slow = socket.create_connection((host, int(port)), timeout=SECONDS)
    path = f"/v1/Accounts/{account.sid}/PresenceStream?detail=true"
    slow.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {login}\r\n\r\n".encode())
    quick = node.server(account, "detail=true")
    quick.message()
    for storm in range(1, 61):  # some 12 MB, more than the kernel keeps for it
        account.storm(names)
        quick.until(lambda one: len(one.view) == 400 and one.view[names[-1]]["version"] == storm)  # noqa: B023
    text = bytearray()
    while b'"version":60,' not in text[-1000:]:
        text += slow.recv(1_000_000)
    messages = text.count(b"event: presence")
    assert messages < 50, "what waited was not merged"
    versions = [int(found) for found in re.findall(rb'"version":(\d+)', text)]
    assert versions == sorted(versions)
    slow.close()


def test_pr46_a_reader_that_never_reads_is_given_up(
    node: Node, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("presence.event_streams.SLOWEST", 0.2)
    host, port = node.address.split(":")
    with socket.create_connection((host, int(port)), timeout=SECONDS) as dead:
        login = base64.b64encode(f"{account.sid}:{TOKEN}".encode()).decode()
        path = f"/v1/Accounts/{account.sid}/PresenceStream?detail=true"
        dead.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {login}\r\n\r\n".encode())
        assert dead.recv(12) == b"HTTP/1.1 200"
        names, storms = [f"client-{n:03}-{'x' * 235}" for n in range(400)], 0
        while account.sid in node.on_loop(lambda: list(node.feed.followed)):
            account.storm(names)
            storms += 1
            assert storms < 300


def test_pr33_a_list_that_is_renamed_or_deleted_leaves_nobody_in_view(node: Node, account: Account) -> None:
    account.enlist("sales", "ann", "bob")
    account.enlist("ops", "cid")
    sales, ops, team = (node.server(account, f"list={name}") for name in ("sales", "ops", "team"))
    for one in (sales, ops, team):
        one.message()
    lists = account.presence.lists
    lists.rename(account.sid, "sales", "team", time.time()).result(SECONDS)
    assert sales.message()["removed"] == ["ann", "bob"]
    assert [one["client"] for one in team.message()["clients"]] == ["ann", "bob"]
    lists.delete(account.sid, "ops", time.time()).result(SECONDS)
    assert ops.message()["removed"] == ["cid"]

"""The feed on real databases: between processes, in storms, with subscribers that come and go (PR-36 to PR-46)."""

import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from presence_world import SECONDS
from sqlalchemy.exc import OperationalError
from streams_world import Account, Node

from foundation.permissions import EVERYONE, Scope
from presence.reading.snapshots import viewed
from presence.reading.views import View
from presence.subscriptions import feed
from presence.subscriptions import log as changelog
from tests.support import tables


@pytest.fixture
def node(tmp_path: object) -> Iterator[Node]:
    yield from _node(f"sqlite:///{tmp_path}/presence.sqlite3")


@pytest.fixture
def each(database_url: str) -> Iterator[Node]:
    """One on each kind of database."""
    yield from _node(database_url)


def _node(url: str) -> Iterator[Node]:
    tables.make(url, "presence")
    running = Node(url)
    yield running
    running.close()


@pytest.fixture
def account(node: Node) -> Account:
    return node.presence.account()


def test_pr40_what_another_process_commits_is_heard_too(each: Node) -> None:
    node, account = each, each.presence.account()
    other = Node(node.presence.url)
    try:
        here, there = node.server(account), other.server(account)
        assert (here.message()["clients"], there.message()["clients"]) == ([], [])
        for name in ("alice", "bob"):
            account.put(name)
        for stream in (here, there):
            stream.until(lambda one: len(one.view) == 2)
    finally:
        other.close()


def test_pr45_a_storm_comes_as_few_messages(node: Node, account: Account) -> None:
    stream = node.server(account)
    stream.message()
    names, started = [f"c{n}" for n in range(1000)], time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(account.put, names))
    stream.until(lambda one: len(one.view) == 1000)
    assert len(stream.messages) <= 2 + (time.monotonic() - started) / feed.MERGE


def test_pr36_pr43_subscribers_that_come_and_go_end_up_with_what_is_so(each: Node) -> None:
    """Writers of all kinds and subscribers of several views, cut and resumed at random."""
    node, account = each, each.presence.account()
    chance = random.Random(7)
    names = [f"{letter}{n}" for letter in "ab" for n in range(6)]
    account.enlist("sales", *names[:4])
    views = {
        "": View(selection=EVERYONE),
        "list=sales": View(selection=Scope(lists=frozenset({"sales"}))),
        "prefix=a": View(selection=Scope(prefixes=frozenset({"a"}))),
        "clients=a1,b2": View(selection=Scope(clients=frozenset({"a1", "b2"}))),
    }
    writes: tuple[Callable[[str], Any], ...] = (
        account.put,
        lambda name: account.put(name, status="away"),
        lambda name: account.put(name, "phone", note="on the road"),
        account.gone,
        lambda name: account.gone(name, "phone"),
        lambda name: account.put_on("sales", name),
        lambda name: account.take_off("sales", name),
    )
    work = [(chance.choice(writes), chance.choice(names)) for _ in range(240)]
    cut = {query: node.server(account, query) for query in views}
    kept = {query: node.server(account, query) for query in views}
    with ThreadPoolExecutor(4) as pool:
        for start in range(0, len(work), 40):
            doing = [pool.submit(write, name) for write, name in work[start : start + 40]]
            for query, stream in cut.items():
                stream.message()
                stream.close()
                cut[query] = node.server(account, query, Last_Event_ID=stream.cursor)
                cut[query].view = stream.view  # the app's own, which outlives connections
            for one in doing:
                one.result(SECONDS)
    account.put_on("sales", "a1")
    for device in ("e", "phone"):
        account.gone("a1", device)
    account.put("a1", note="done")  # the last change, seen by all
    for query, view in views.items():
        there = viewed(node.presence.database, account.sid, view, time.time())
        want = {name: client.version for name, client in there.clients.items() if client.endpoints}
        for stream in (cut[query], kept[query]):
            stream.until(lambda one: one.view.get("a1", {}).get("note") == "done")
            have = {name: one["version"] for name, one in stream.view.items() if one["status"] != "offline"}
            assert have.keys() == want.keys(), query
            # What nobody could see raised versions further.
            assert all(have[name] <= want[name] for name in want)


def test_a_database_that_is_away_delays_but_loses_nothing(
    node: Node, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = node.server(account)
    stream.message()
    tail, failures = changelog.tail, []

    def fails(*given: Any) -> Any:
        if len(failures) < 3:
            failures.append(given)
            raise OperationalError("SELECT", {}, Exception("away"))
        return tail(*given)

    monkeypatch.setattr(changelog, "tail", fails)
    account.put("alice")
    stream.until(lambda one: "alice" in one.view)
    assert len(failures) == 3


def test_pr46_a_log_that_was_cut_in_front_of_the_feed_gives_a_snapshot(
    node: Node, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.enlist("sales", "bob")
    stream, roster = node.server(account), node.server(account, "list=sales")
    for one in (stream, roster):
        one.message()
    tail, away = changelog.tail, [True]

    def waits(*given: Any) -> Any:
        if away:
            raise OperationalError("SELECT", {}, Exception("away"))
        return tail(*given)

    monkeypatch.setattr(changelog, "tail", waits)
    account.put("alice")
    account.put_on("sales", "alice")
    forget = f"DELETE FROM changes WHERE account_sid = '{account.sid}' AND sequence < 3"
    account.presence.database.write(lambda connection: connection.exec_driver_sql(forget)).result(SECONDS)
    away.clear()
    assert (stream.message()["snapshot"], roster.message()["snapshot"]) == (True, True)
    assert set(roster.view) == {"alice", "bob"}
    account.take_off("sales", "alice")
    assert roster.message()["removed"] == ["alice"]


def test_a_snapshot_that_cannot_be_read_ends_the_stream_and_says_come_back(
    node: Node, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> Any:
        raise OperationalError("SELECT", {}, Exception("away"))

    monkeypatch.setattr(feed, "viewed", fails)
    name, body = node.server(account).event()
    assert (name, body["retry"]) == ("ended", True)


def test_an_account_that_nobody_follows_is_not_read(node: Node, account: Account) -> None:
    stream = node.server(account, "list=sales")
    stream.message()
    assert list(node.on_loop(lambda: list(node.feed.followed))) == [account.sid]
    stream.close()
    deadline = time.monotonic() + SECONDS
    while node.on_loop(lambda: list(node.feed.followed)) and time.monotonic() < deadline:
        account.put("alice")
    assert time.monotonic() < deadline


def test_many_subscribers_of_one_view_share_its_messages(node: Node, account: Account) -> None:
    streams = [node.server(account, "prefix=a") for _ in range(20)]
    for stream in streams:
        stream.message()
    account.put("alice")
    assert len({str(stream.message()) for stream in streams}) == 1

"""What subscribers are told, without a database: merged, cut, resumed, overflown (PR-36, PR-41 to PR-47)."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation.permissions import EVERYONE, Scope
from presence.reading.snapshots import Client, Snapshot
from presence.reading.views import View
from presence.registration import Endpoint, Seen, seen
from presence.subscriptions import messages, subscription
from presence.subscriptions.log import Entry
from presence.subscriptions.news import Memberships, News, Told, sift, steps
from presence.subscriptions.subscription import Subscription

NAMES, LISTS = ("ann", "abe", "bob", "cid"), ("sales", "ops")
SALES = Scope(lists=frozenset({"sales"}))
VIEWS = (
    View(selection=EVERYONE),
    View(selection=Scope(prefixes=frozenset({"a"}))),
    View(selection=Scope(clients=frozenset({"ann", "cid"}))),
    View(selection=SALES),
    View(selection=EVERYONE, limits=(SALES, Scope(lists=frozenset({"ops"})))),
)


def entry(sequence: int, client: str, **more: Any) -> Entry:
    given = {
        "version": sequence,
        "endpoint_id": "",
        "kind": "updated",
        "at": 1_800_000_000.0 + sequence,
        "visible": True,
        "status": f"s{sequence}",
        "available": True,
        "capabilities": ("voice",),
        "note": "",
        "list": "",
        **more,
    }
    return Entry(sequence=sequence, client=client, **given)


@dataclass
class World:
    """An account: its log, and what it looks like after it."""

    log: list[Entry] = field(default_factory=list)
    members: dict[str, set[str]] = field(default_factory=lambda: {name: set() for name in LISTS})
    states: dict[str, Entry] = field(default_factory=dict)

    def change(self, client: str, *, visible: bool) -> None:
        before = self.states.get(client)
        said = {} if visible or before is None else {"status": before.status, "visible": False}
        self.states[client] = entry(len(self.log) + 1, client, **said)
        self.log.append(self.states[client])

    def enlist(self, client: str, name: str) -> None:
        on = client not in self.members[name]
        (self.members[name].add if on else self.members[name].remove)(client)
        before = self.states.get(client) or entry(0, client, status="offline", available=False)
        line = before._replace(
            sequence=len(self.log) + 1,
            version=len(self.log) + 1,
            kind="listed" if on else "unlisted",
            list=name,
        )
        self.states[client] = line
        self.log.append(line)

    def seen(self, view: View) -> dict[str, str]:
        lists = {name: {one for one in LISTS if name in self.members[one]} for name in NAMES}
        held = {name for name in {*self.states, *view.selection.clients} if view.holds(name, lists[name])}
        nobody = entry(0, "", status="offline")
        return {name: self.states.get(name, nobody).status for name in held}

    def versions(self) -> dict[str, int]:
        return dict.fromkeys(NAMES, 0) | {name: state.version for name, state in self.states.items()}


class Watcher:
    """A subscriber as an app is: it folds what it is told."""

    def __init__(self, world: World, view: View) -> None:
        self.world, self.view = world, view
        self.view_of: dict[str, str] = {}
        self.versions: dict[str, int] = {}
        self.cursor: int | None = None
        self.enter()

    def enter(self) -> None:
        """A connection, new or again: the feed is somewhere, and what the cursor missed is replayed."""
        self.feed_at = len(self.world.log)
        self.memberships = Memberships()
        self.memberships.put(self.world.members)
        self.place = Subscription(self.cursor)
        self.snapshot: tuple[int, dict[str, str], dict[str, int]] | None = None
        if self.cursor is not None:
            lines = self.world.log[self.cursor :]
            earlier = Memberships()
            earlier.put(self.world.members)
            earlier.rewind(lines)
            found = sift(self.view, steps(lines, earlier))
            self.place.offer(News(after=self.cursor, as_of=len(self.world.log), clients=found))

    def feed(self) -> None:
        lines = self.world.log[self.feed_at :]
        after, self.feed_at = self.feed_at, len(self.world.log)
        found = sift(self.view, steps(lines, self.memberships))
        if found:
            news = News(after=after, as_of=self.feed_at, clients=found)
            self.place.offer(news)
            self.place.offer(news)  # again: changes nothing

    def look(self) -> None:
        """A snapshot is read; it arrives at the next `hear`, when more may have happened."""
        if self.place.cursor is None and self.snapshot is None:
            self.snapshot = len(self.world.log), self.world.seen(self.view), self.world.versions()

    def hear(self) -> None:
        if self.snapshot is not None:
            as_of, told, versions = self.snapshot
            self.snapshot = None
            self.place.began(as_of)
            self.fold(told.items(), versions, (), whole=True)
            self.cursor = as_of
            return
        news = self.place.take()
        if news is not None:
            known = {name: told.entry for name, told in news.clients.items() if told.entry}
            gone = [name for name, told in news.clients.items() if told.entry is None]
            versions = {name: one.version for name, one in known.items()}
            self.fold(((name, one.status) for name, one in known.items()), versions, gone)
            self.cursor = news.as_of

    def fold(
        self,
        told: Iterable[tuple[str, str]],
        versions: dict[str, int],
        gone: Iterable[str],
        *,
        whole: bool = False,
    ) -> None:
        if whole:
            self.view_of.clear()
        for name, status in told:
            assert versions[name] >= self.versions.get(name, 0), "PR-43: a version went back"
            self.versions[name] = versions[name]
            self.view_of[name] = status
        for name in gone:
            self.view_of.pop(name, None)

    def settle(self) -> None:
        for _ in range(4):
            self.feed()
            self.look()
            self.hear()


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("change"), st.sampled_from(NAMES), st.booleans()),
        st.tuples(st.just("enlist"), st.sampled_from(NAMES), st.sampled_from(LISTS)),
        st.tuples(st.sampled_from(["feed", "look", "hear", "cut"])),
    ),
    max_size=60,
)


@given(view=st.sampled_from(VIEWS), script=STEPS, most=st.sampled_from([1, 2, 1000]))
@settings(max_examples=400, deadline=None)
def test_pr36_pr43_folding_all_messages_is_the_state_whatever_was_cut_or_dropped(
    view: View, script: list[tuple[Any, ...]], most: int
) -> None:
    world = World()
    world.enlist("cid", "sales")
    watcher = Watcher(world, view)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subscription, "MOST", most)
        for what, *arguments in script:
            if what == "change":
                world.change(arguments[0], visible=arguments[1])
            elif what == "enlist":
                world.enlist(*arguments)
            elif what == "cut":
                watcher.enter()
            else:
                getattr(watcher, what)()
        watcher.settle()
    assert shown(view, watcher.view_of) == shown(view, world.seen(view))


def shown(view: View, states: dict[str, str]) -> dict[str, str]:
    """Of everybody and of a prefix, who is offline is as good as absent."""
    rosters = view.selection.everyone or view.selection.prefixes
    return {name: status for name, status in states.items() if not (rosters and status == "offline")}


@given(st.lists(st.dictionaries(st.sampled_from(NAMES), st.integers(0, 3)), min_size=3, max_size=3))
def test_merging_news_is_associative(parts: list[dict[str, int]]) -> None:
    news = [
        News(
            after=10 * n,
            as_of=10 * n + 10,
            clients={
                name: Told(10 * n + i + 1, entry(10 * n + i + 1, name) if gone else None)
                for i, (name, gone) in enumerate(part.items())
            },
        )
        for n, part in enumerate(parts)
    ]
    a, b, c = news
    assert a.then(b).then(c) == a.then(b.then(c))
    assert c.then(a.then(b)) == a.then(b).then(c)  # whichever came first


def test_pr25_pr44_nothing_is_told_when_nothing_that_shows_has_changed() -> None:
    lines = [
        entry(1, "ann", visible=False, endpoint_id="desk"),
        entry(2, "bob"),
        entry(3, "cid", visible=False, endpoint_id="secret"),
        entry(4, "dan", visible=False, endpoint_id="gone"),
        entry(5, "eve", visible=False, endpoint_id="secret"),
    ]
    devices = {
        "ann": Client(endpoints=(device("desk"),)),
        "cid": Client(endpoints=(device("secret", hidden=True),)),
        "eve": Client(endpoints=(device("desk"), device("secret", hidden=True))),
    }
    walked = steps(lines, Memberships())
    plain, detail = View(selection=EVERYONE), View(selection=EVERYONE, detail=True)
    everything = View(selection=EVERYONE, detail=True, hidden=True)
    assert list(sift(plain, walked)) == ["bob"]
    assert list(sift(detail, walked, devices)) == ["ann", "bob"]
    assert list(sift(everything, walked, devices)) == ["ann", "bob", "cid", "dan", "eve"]


def device(endpoint_id: str, *, hidden: bool = False) -> Seen:
    return seen(
        Endpoint(
            account_sid="AC",
            client="",
            endpoint_id=endpoint_id,
            sid="RG",
            hidden=hidden,
            token_expires_at=0,
            refreshed_at=0,
            expires_at=0,
        )
    )


def test_pr44_a_list_that_nobody_looks_at_tells_nothing() -> None:
    memberships = Memberships()
    memberships.put({"sales": ["ann"]})
    lines = [entry(1, "ann", kind="listed", list="ops"), entry(2, "ann", kind="listed", list="sales")]
    assert sift(View(selection=SALES), steps(lines, memberships)) == {}


def test_pr47_who_leaves_the_view_is_removed_once() -> None:
    memberships = Memberships()
    memberships.put({"sales": ["ann"]})
    view = View(selection=EVERYONE, limits=(SALES,))
    lines = [
        entry(1, "ann"),
        entry(2, "ann", kind="unlisted", list="sales"),
        entry(3, "ann"),
        entry(4, "bob", kind="unlisted", list="sales"),
    ]
    assert sift(view, steps(lines, memberships)) == {"ann": Told(2, None)}


def test_pr45_a_storm_is_one_message_with_the_latest_of_each_client() -> None:
    place = Subscription(cursor=0)
    for n in range(1, 1001):
        told = {f"c{n % 7}": Told(n, entry(n, f"c{n % 7}"))}
        place.offer(News(after=n - 1, as_of=n, clients=told))
    news = place.take()
    assert news is not None
    message = json.loads(messages.of_news(news, View(selection=EVERYONE), 0.0).text)
    assert (message["as_of"], message["snapshot"]) == (1000, False)
    assert sorted(one["sequence"] for one in message["clients"]) == list(range(994, 1001))
    assert place.take() is None


def test_pr46_what_waits_is_bounded_and_then_a_snapshot_is_due() -> None:
    place = Subscription(cursor=0)
    for n in range(1, subscription.MOST + 2):
        place.offer(News(after=n - 1, as_of=n, clients={f"c{n}": Told(n, entry(n, f"c{n}"))}))
    assert (place.cursor, place.take(), place.waits) == (None, None, False)
    place.began(subscription.MOST)  # read before the last of what was dropped: another one is due
    assert place.cursor is None
    place.began(subscription.MOST + 1)
    assert place.cursor == subscription.MOST + 1


def test_pr42_an_event_has_these_fields() -> None:
    news = News(after=0, as_of=9, clients={"ann": Told(3, entry(3, "ann", note="hi")), "bob": Told(9, None)})
    assert json.loads(messages.of_news(news, View(selection=EVERYONE), 0.0).text) == {
        "as_of": 9,
        "snapshot": False,
        "clients": [
            {
                "client": "ann",
                "available": True,
                "status": "s3",
                "note": "hi",
                "capabilities": ["voice"],
                "version": 3,
                "sequence": 3,
                "at": "2027-01-15T08:00:03Z",
            }
        ],
        "removed": ["bob"],
    }


def test_a_large_snapshot_comes_in_parts_and_only_the_last_is_a_cursor() -> None:
    there = Snapshot(as_of=7, clients={f"c{n:04}": Client() for n in range(messages.PART + 1)})
    parts = [json.loads(one.text) for one in messages.of_snapshot(there, View(selection=EVERYONE), 0.0)]
    assert [(one["as_of"], one["snapshot"], one.get("more", False)) for one in parts] == [
        (0, True, True),
        (7, False, False),
    ]
    assert [len(one["clients"]) for one in parts] == [messages.PART, 1]

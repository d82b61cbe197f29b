"""What changed since a sequence number (PR-38), for every kind of view."""

import contextlib
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from presence_asking import NOW, A, device
from presence_sight import Sight, names

from foundation.permissions import EVERYONE, Scope, parse
from presence.faults import Absent, Conflict
from presence.models import changes
from presence.nodes import Nodes
from presence.reading import since
from presence.reading.since import CursorGone, before, news
from presence.reading.snapshots import viewed
from presence.reading.views import view
from presence.registration import Change
from presence.signalling.holdings import Holdings
from presence.signalling.ledger import Ledger


def told(message: Any) -> tuple[list[str], list[str]]:
    return names(message), message["removed"]


def test_pr38_only_what_changed_merged_per_client(sight: Sight) -> None:
    for name in ("alice", "bob", "carol"):
        sight.register(name)
    for status in ("away", "dnd", "available"):
        sight.register("bob", status=status)
    sight.gone("carol")
    found = sight.get("/Presence", since=3)
    assert [(one["client"], one["status"]) for one in found["clients"]] == [
        ("bob", "available"),
        ("carol", "offline"),
    ]
    assert (found["as_of"], found["removed"]) == (7, [])
    assert found["clients"][1].keys() == found["clients"][0].keys()
    assert told(sight.get("/Presence", since=7)) == ([], [])
    assert told(sight.get("/Presence/query", body={"clients": ["alice", "bob"], "since": 3})) == (["bob"], [])
    assert told(sight.get("/Presence", since=3, prefix="c")) == (["carol"], [])


def test_pr44_what_nobody_without_detail_can_see_is_told_to_those_with_detail_only(sight: Sight) -> None:
    sight.register("alice")
    sight.register("alice", "second")
    plain = ["presence:read:account"]
    assert told(sight.get("/Presence", plain, since=1)) == ([], [])
    assert told(sight.get("/Presence", [*plain, "presence:read:detail"], since=1)) == (["alice"], [])
    node = Nodes(sight.store.database, "")
    beats = {(A, "alice", "e"): (NOW + 1, NOW + 91)}
    Holdings(sight.store, Ledger(sight.store, ""), node).touch(beats).result(10)
    assert told(sight.get("/Presence", since=2)) == ([], [])


def test_pr38_who_is_put_on_a_list_comes_and_who_is_taken_off_goes(sight: Sight) -> None:
    for name in ("alice", "bob", "carol"):
        sight.register(name)
    sight.lists.create(A, "team", ["alice", "dave"], NOW).result(10)
    start = sight.get("/Presence", list="team")
    assert names(start) == ["alice", "dave"]
    sight.lists.put(A, "team", "bob", NOW).result(10)
    sight.lists.take(A, "team", "alice", NOW).result(10)
    sight.register("carol", status="dnd")
    for caller in ("service", ["presence:read:list:team"], ["presence:read:account"]):
        assert told(sight.get("/Presence", caller, list="team", since=start["as_of"])) == (["bob"], ["alice"])
    scope = ["presence:read:list:team"]
    assert told(sight.get("/Presence", scope, since=start["as_of"])) == (["bob"], ["alice"])
    sight.lists.put(A, "team", "alice", NOW).result(10)
    assert told(sight.get("/Presence", list="team", since=start["as_of"])) == (["alice", "bob"], [])


def test_pr31_who_was_never_in_the_view_is_not_told_to_have_left_it(sight: Sight) -> None:
    sight.register("alice")
    sight.register("bob")
    sight.lists.create(A, "mine", ["alice"], NOW).result(10)
    sight.lists.create(A, "theirs", ["bob"], NOW).result(10)
    mine, start = ["presence:read:list:mine"], sight.get("/Presence")["as_of"]
    sight.lists.delete(A, "theirs", NOW).result(10)
    sight.lists.put(A, "mine", "carol", NOW).result(10)
    sight.lists.take(A, "mine", "carol", NOW).result(10)
    assert told(sight.get("/Presence", mine, since=start)) == ([], [])
    assert told(sight.get("/Presence", mine, since=start, clients="alice,bob,carol")) == ([], [])
    sight.lists.rename(A, "mine", "ours", NOW).result(10)
    assert told(sight.get("/Presence", mine, since=start)) == ([], ["alice"])


def test_pr38_a_cursor_that_the_log_does_not_reach_is_a_410(sight: Sight, monkeypatch: Any) -> None:
    for status in ("available", "away", "dnd", "busy"):
        sight.register("alice", status=status)
    assert sight.fault("/Presence", since=5)[:2] == (410, 20410)
    monkeypatch.setattr(since, "FARTHEST", 2)
    assert sight.fault("/Presence", since=1)[:2] == (410, 20410)
    assert sight.ask("/Presence", since=2).status_code == 200
    with sight.database.writer_engine.begin() as connection:
        connection.execute(changes.delete().where(changes.c.sequence == 3))
    assert sight.fault("/Presence", since=2)[:2] == (410, 20410)
    assert sight.ask("/Presence", since=3).status_code == 200


def test_pr38_everything_since_the_beginning(sight: Sight) -> None:
    sight.register("alice")
    assert told(sight.get("/Presence", since=0)) == (["alice"], [])


def test_pr37_pr38_pages_of_changes_too(sight: Sight) -> None:
    sight.lists.create(A, "team", list("abcdef"), NOW).result(10)
    start = sight.get("/Presence", list="team")["as_of"]
    for name in "bd":
        sight.lists.take(A, "team", name, NOW).result(10)
    for name in "ace":
        sight.register(name)
    asked = {"list": "team", "since": start, "page_size": 2}
    found = [sight.get("/Presence", **asked)]
    sight.register("z")
    while token := found[-1].get("next_page_token"):
        found.append(sight.get("/Presence", page_token=token, **asked))
    assert [told(page) for page in found] == [(["a"], ["b"]), (["c"], ["d"]), (["e"], [])]
    assert {page["as_of"] for page in found} == {start + 5}


def test_pr39_the_number_of_statements_is_the_same_for_any_number_of_changes(sight: Sight) -> None:
    sight.lists.create(A, "team", [f"c{n}" for n in range(300)], NOW).result(10)
    counts = set()
    for start in (299, 0):
        with sight.statements() as ran:
            sight.get("/Presence", ["presence:read:list:team"], since=start)
        counts.add(len(ran))
    assert max(counts) <= 5 + 2  # two for the token's account and key, which are remembered
    assert min(counts) <= 5


def test_before_undoes_moves_latest_first() -> None:
    moves = [("a", "l", Change.LISTED), ("a", "l", Change.UNLISTED), ("b", "l", Change.LISTED)]
    assert before({"a": {"l", "m"}, "b": {"l"}}, moves) == {"a": {"l", "m"}, "b": set()}


CLIENTS, LISTS = ("a1", "a2", "b1"), ("l1", "l2")
DOING = st.one_of(
    st.tuples(st.just("register"), st.sampled_from(CLIENTS), st.sampled_from(["available", "dnd"])),
    st.tuples(st.just("hide"), st.sampled_from(CLIENTS), st.just("")),
    st.tuples(st.just("leave"), st.sampled_from(CLIENTS), st.just("")),
    st.tuples(st.just("put"), st.sampled_from(CLIENTS), st.sampled_from(LISTS)),
    st.tuples(st.just("take"), st.sampled_from(CLIENTS), st.sampled_from(LISTS)),
    st.tuples(st.just("rename"), st.sampled_from(LISTS), st.sampled_from(LISTS)),
    st.tuples(st.just("delete"), st.sampled_from(LISTS), st.just("")),
    st.tuples(st.just("read"), st.just(""), st.just("")),
)


def do(sight: Sight, what: str, whom: str, value: str) -> None:
    with contextlib.suppress(Absent, Conflict):
        match what:
            case "register":
                sight.register(whom, status=value)
            case "hide":
                sight.store.register(device(whom, hidden=True), NOW).result(10)
            case "leave":
                sight.gone(whom)
            case "put":
                with contextlib.suppress(Conflict):
                    sight.lists.create(A, value, [], NOW).result(10)
                sight.lists.put(A, value, whom, NOW).result(10)
            case "take":
                sight.lists.take(A, value, whom, NOW).result(10)
            case "rename":
                sight.lists.rename(A, whom, value, NOW).result(10)
            case "delete":
                sight.lists.delete(A, whom, NOW).result(10)


@given(
    doing=st.lists(DOING, max_size=25),
    selection=st.sampled_from(
        [
            EVERYONE,
            Scope(lists=frozenset({"l1"})),
            Scope(prefixes=frozenset({"a"})),
            Scope(clients=frozenset({"a1", "b1"})),
        ]
    ),
    words=st.sampled_from([["account"], ["list:l1"], ["list:l1", "list:l2"], ["prefix:b", "list:l2"]]),
    detail=st.booleans(),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_pr36_pr38_a_snapshot_and_all_news_since_are_the_present_snapshot(
    any_sight: Sight, doing: list[Any], selection: Scope, words: list[str], detail: bool
) -> None:
    """However the history is cut into messages: folded together they say what a fresh snapshot says."""
    sight = any_sight.begin()
    permissions = [f"presence:read:{one}" for one in words] + ["presence:read:detail"] * detail
    seen = view(parse(permissions, "me"), selection)
    known, cursor = {}, 0

    def catch_up() -> None:
        nonlocal cursor
        after = ""
        while True:
            found = news(sight.database, A, seen, cursor, NOW, after=after, limit=2)
            known.update(found.clients)
            for name in found.removed:
                assert name in known
                del known[name]
            after = found.rest
            if not after:
                break
        cursor = found.as_of

    for what, whom, value in doing:
        catch_up() if what == "read" else do(sight, what, whom, value)
    catch_up()

    def said(clients: Any) -> Any:
        live = {name: client for name, client in clients.items() if client.endpoints}
        if detail:
            return live
        return {
            name: {(one.status, one.available) for one in client.endpoints} for name, client in live.items()
        }

    fresh = viewed(sight.database, A, seen, NOW)
    assert said(known) == said(fresh.clients)
    with contextlib.suppress(CursorGone):
        news(sight.database, A, seen, cursor + 1, NOW, limit=1)
        raise AssertionError("the future was told")

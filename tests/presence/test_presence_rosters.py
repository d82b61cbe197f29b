"""Many clients in one message: selections, limits, order and pages (PR-30 to PR-37, PR-39)."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from presence_asking import NOW, A, B
from presence_sight import Sight, names

from foundation.permissions import Scope, parse
from presence.reading.snapshots import viewed
from presence.reading.views import View, view


def fill(sight: Sight) -> None:
    """Agents a1 to a3 and the supervisor s1 are there, s2 was; the team is a1, s2 and one who was never seen."""
    for name in ("a1", "a2", "a3", "s1", "s2"):
        sight.register(name)
    sight.gone("s2")
    sight.lists.create(A, "team", ["a1", "s2", "new"], NOW).result(10)


@pytest.mark.parametrize(
    ("asked", "seen"),
    [
        ({}, ["a1", "a2", "a3", "s1"]),
        ({"clients": "s2,a1,nobody,a1"}, ["s2", "a1", "nobody"]),
        ({"clients": ""}, []),
        ({"list": "team"}, ["a1", "new", "s2"]),
        ({"list": "none"}, []),
        ({"prefix": "a"}, ["a1", "a2", "a3"]),
        ({"prefix": "A"}, []),
        ({"prefix": "%"}, []),
    ],
)
def test_pr34_pr36_one_entry_for_each_of_a_selection(sight: Sight, asked: Any, seen: list[str]) -> None:
    fill(sight)
    for caller in ("service", "account", ["presence:read:account"]):
        found = sight.get("/Presence", caller, **asked)
        assert names(found) == seen
        assert (found["as_of"], found["removed"], "next_page_token" in found) == (9, [], False)
        body: Any = dict(asked) or {"everyone": True}
        if "clients" in body:
            body["clients"] = [name for name in body["clients"].split(",") if name]
        assert sight.get("/Presence/query", caller, body) == found


@pytest.mark.parametrize(
    ("permissions", "asked", "seen"),
    [
        (["presence:read:self"], {}, ["a1"]),
        (["presence:read:self"], {"clients": "a1,a2"}, ["a1"]),
        (["presence:read:prefix:s"], {}, ["s1"]),
        (["presence:read:prefix:s"], {"clients": "s2,a1,s3"}, ["s2", "s3"]),
        (["presence:read:prefix:s"], {"list": "team"}, []),
        (["presence:read:list:team"], {}, ["a1"]),
        (["presence:read:list:team"], {"list": "team"}, ["a1", "new", "s2"]),
        (["presence:read:list:team"], {"clients": "a2,new"}, ["new"]),
        (["presence:read:list:team"], {"prefix": "a"}, ["a1"]),
        (["presence:read:list:team", "presence:read:prefix:a"], {}, ["a1", "a2", "a3"]),
        (["presence:read:account"], {"list": "team"}, ["a1", "new", "s2"]),
    ],
)
def test_pr30_pr37_those_out_of_scope_are_absent(
    sight: Sight, permissions: list[str], asked: Any, seen: list[str]
) -> None:
    fill(sight)
    assert names(sight.get("/Presence", sight.bearer(*permissions, identity="a1"), **asked)) == seen


@pytest.mark.parametrize(
    ("permissions", "calls_out", "seen"),
    [
        (["presence:read:account"], True, ["a1", "a2", "a3", "s1"]),
        (["presence:read:account"], False, []),
        (["presence:read:account", "presence:connect:prefix:s"], True, ["s1"]),
        (["presence:read:prefix:a", "presence:connect:list:team"], False, ["a1"]),
    ],
)
def test_pr32_connectable_are_those_that_the_viewer_may_also_connect_to(
    sight: Sight, permissions: list[str], calls_out: bool, seen: list[str]
) -> None:
    fill(sight)
    viewer = sight.bearer(*permissions, calls_out=calls_out)
    assert names(sight.get("/Presence", viewer, view="connectable")) == seen


def test_pr25_nobody_is_listed_who_has_hidden_devices_only(sight: Sight) -> None:
    sight.register("alice", hidden=True)
    assert names(sight.get("/Presence", ["presence:read:account"])) == []
    assert names(sight.get("/Presence", "account")) == ["alice"]


def test_pr9_nothing_of_another_account_is_in_it(sight: Sight) -> None:
    fill(sight)
    found = sight.get("/Presence", account=B)
    assert (names(found), found["as_of"]) == ([], 0)
    found = sight.get("/Presence", account=B, clients="a1")
    assert (found["clients"][0]["status"], found["as_of"]) == ("offline", 0)


def test_pr27_availability_of_all_is_for_the_capability(sight: Sight) -> None:
    sight.register("a", capabilities=("sms",))
    sight.register("b", capabilities=("voice",))
    found = sight.get("/Presence", capability="sms")
    assert [one["available"] for one in found["clients"]] == [True, False]


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ({}, "exactly one"),
        ({"clients": ["a"], "list": "team"}, "exactly one"),
        ({"clients": ["a"] * 1001}, "1000"),
        ({"clients": "a"}, "clients"),
        ({"clients": [["a"]]}, "client name"),
        ({"clients": ["a b"]}, "client name"),
        ({"list": ""}, "list"),
        ({"list": "x" * 65}, "list"),
        ({"prefix": 1}, "prefix"),
        ({"everyone": "yes"}, "everyone"),
        ({"everyone": True, "view": "all"}, "view"),
        ({"everyone": True, "capability": "fax"}, "capability"),
        ({"everyone": True, "since": -1}, "since"),
        ({"everyone": True, "since": "1"}, "since"),
        ({"everyone": True, "page_size": 0}, "page_size"),
        ({"everyone": True, "page_size": 1001}, "1000"),
        ({"everyone": True, "page_token": "x"}, "page_token"),
    ],
)
def test_pr37_a_question_that_cannot_be_answered_is_a_400_that_names_the_field(
    sight: Sight, body: Any, what: str
) -> None:
    status, code, message = sight.fault("/Presence/query", body=body)
    assert status == 400
    assert code in (20001, 31105)
    assert what.lower() in message.lower()


def test_pr37_in_the_address_too(sight: Sight) -> None:
    for asked in (
        {"since": "x"},
        {"page_size": "many"},
        {"clients": ",".join(map(str, range(1001)))},
        {"list": ""},
    ):
        assert sight.fault("/Presence", **asked)[:2] == (400, 20001)


def pages(sight: Sight, between: Any = None, **asked: Any) -> list[Any]:
    found = [sight.get("/Presence", **asked)]
    while "next_page_token" in found[-1]:
        if between:
            between()
        found.append(sight.get("/Presence", page_token=found[-1]["next_page_token"], **asked))
    return found


@pytest.mark.parametrize("size", [1, 2, 4, 5])
def test_pr37_pages_hold_each_client_once(sight: Sight, size: int) -> None:
    fill(sight)
    for asked, seen in (
        ({}, ["a1", "a2", "a3", "s1"]),
        ({"list": "team"}, ["a1", "new", "s2"]),
        ({"clients": "s2,a1,a2,x"}, ["a1", "a2", "s2", "x"]),
    ):
        found = pages(sight, page_size=size, **asked)
        assert [name for page in found for name in names(page)] == seen
        assert all(len(names(page)) == size for page in found[:-1])


def test_pr37_pages_go_on_behind_the_longest_names(sight: Sight) -> None:
    long = ["".join(chr(0x4E00 + n * place * 7919 % 20_000) for place in range(256)) for n in (1, 2, 3)]
    for name in long:
        sight.register(name)
    found = pages(sight, page_size=1)
    assert sorted(names(page)[0] for page in found) == sorted(long)
    assert len(found[0]["next_page_token"]) > 500


def test_pr37_later_pages_say_the_same_as_of_and_miss_nobody_who_was_there(sight: Sight) -> None:
    fill(sight)

    def meanwhile() -> None:
        sight.gone("s1")
        sight.register("a0")
        sight.register("t1")

    first, second, third = pages(sight, meanwhile, page_size=2)
    assert first["as_of"] == second["as_of"] == third["as_of"] == 9
    assert names(first) + names(second) + names(third) == ["a1", "a2", "a3", "s1", "t1"]
    assert (
        second["clients"][1]["status"] == "offline"
    )  # newer than the first page, and so it says by its version
    told = sight.get("/Presence", since=9)
    assert {"a0", "s1", "t1"} <= set(names(told))


def test_pr37_a_page_token_is_good_for_its_own_question_only(sight: Sight) -> None:
    fill(sight)
    token = sight.get("/Presence", page_size=1)["next_page_token"]
    for asked in ({"prefix": "a"}, {"view": "connectable"}, {"since": "0"}):
        assert sight.fault("/Presence", page_token=token, **asked)[:2] == (400, 20001)
    assert sight.fault("/Presence", account=B, page_token=token)[:2] == (400, 20001)
    assert names(sight.get("/Presence", page_token=token)) == ["a2", "a3", "s1"]
    narrow = sight.get("/Presence", ["presence:read:prefix:s"], page_token=token)
    assert names(narrow) == ["s1"]


def test_pr39_a_thousand_clients_of_three_devices_in_few_statements(sight: Sight) -> None:
    for name in ("a", "b"):
        for device in ("1", "2", "3"):
            sight.register(name, device)
    counts = []
    for many in ([*"ab"], [*"ab", *map(str, range(998))]):
        with sight.statements() as ran:
            found = sight.get("/Presence/query", body={"clients": many})
        assert [len(one["endpoints"]) for one in found["clients"][:3]] == [3, 3, 0][: len(many)]
        counts.append(len(ran))
    assert counts[0] == counts[1] <= 5


WORDS = st.sampled_from(["self", "list:l1", "list:l2", "prefix:a", "prefix:b1", "account"])
SELECTIONS = st.builds(
    Scope,
    everyone=st.booleans(),
    clients=st.frozensets(st.sampled_from(["a1", "b1", "me", "x"])),
    lists=st.frozensets(st.sampled_from(["l1", "l2", "l3"])),
    prefixes=st.frozensets(st.sampled_from(["a", "b1", "m"])),
)


@given(
    selection=SELECTIONS,
    read=st.lists(WORDS, max_size=3),
    connect=st.none() | st.lists(WORDS, max_size=2),
    hidden=st.booleans(),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_pr30_pr31_the_database_and_the_pure_rule_agree_on_who_is_in_a_view(
    sight: Sight, selection: Scope, read: list[str], connect: list[str] | None, hidden: bool
) -> None:
    clients, lists = ("a1", "a2", "b1", "b2", "me"), {"l1": ["a1", "x"], "l2": ["b2", "me"]}
    if not sight.log():
        for name in clients:
            sight.register(name, hidden=name == "b2")
        for name, members in lists.items():
            sight.lists.create(A, name, members, NOW).result(10)
    words = [f"presence:read:{one}" for one in read] + [f"presence:connect:{one}" for one in connect or ()]
    seen = view(parse(words, "me"), selection, connectable=bool(connect), hidden=hidden)
    whole = View(selection=selection, limits=seen.limits)

    def on(name: str) -> set[str]:
        return {one for one, members in lists.items() if name in members}

    def shown(name: str) -> bool:
        there = name in clients and (hidden or name != "b2")
        named = name in selection.clients or bool(selection.lists & on(name))
        return whole.holds(name, on(name)) and (there or named)

    found = viewed(sight.database, A, seen, NOW)
    assert list(found.clients) == [name for name in sorted({*clients, "x"}) if shown(name)]

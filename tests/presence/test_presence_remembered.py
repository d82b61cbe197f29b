"""What is kept in memory says what the database says, and ends when it must: rosters, secrets, shortcuts."""

import asyncio
import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from presence_asking import KEY, NOW, A
from presence_sight import Sight
from sqlalchemy import update

from foundation.webserver.bridge import Response
from presence.access.callers import Access
from presence.access.directory import NotRemembered
from presence.access.limits import RefusalLimit
from presence.access.revocations import Kind
from presence.api.registering import Registering
from presence.models import endpoints
from presence.nodes import Nodes
from presence.reading import rosters
from presence.reading.rendering import presence_text
from presence.reading.rosters import Manner, Rosters
from presence.reading.snapshots import NEVER_SEEN, frozen, states
from presence.signalling.holdings import Holdings
from presence.signalling.ledger import Ledger

NAMES = ["alice", "bob", "carol"]
MANNERS = [Manner(), Manner(hidden=False), Manner(detail=False), Manner(capability="sms")]

# -- rosters

clients = st.sampled_from(NAMES[:2])
devices = st.sampled_from(["d1", "d2", "d3"])
steps = st.one_of(
    st.tuples(st.just("register"), clients, devices, st.sampled_from([None, "dnd", "away"])),
    st.tuples(st.just("note"), clients, devices, st.sampled_from(["", "lunch"])),
    st.tuples(st.just("rank"), clients, devices, st.sampled_from([0, 5])),
    st.tuples(st.just("hide"), clients, devices, st.booleans()),
    st.tuples(st.just("beat"), clients, devices, st.sampled_from([1, 30])),
    st.tuples(st.just("adopt"), clients, devices, st.none()),
    st.tuples(st.just("busy"), clients, devices, st.sampled_from([0, 10, 1000])),
    st.tuples(st.just("end"), clients, devices, st.none()),
    st.tuples(st.just("wait"), clients, devices, st.sampled_from([1, 20, 95])),
)


def perform(sight: Sight, kind: str, client: str, device: str, given: Any) -> None:
    holdings = Holdings(sight.store, Ledger(sight.store, "n1"), Nodes(sight.database, "n1"))
    now = sight.now
    match kind:
        case "register":
            sight.register(client, device, now, status=given, node="n1", socket=True)
        case "note":
            sight.register(client, device, now, note=given)
        case "rank":
            sight.register(client, device, now, priority=given)
        case "hide":
            sight.register(client, device, now, hidden=given)
        case "beat":
            holdings.touch({(A, client, device): (now, now + given)}).result(10)
        case "adopt":
            moved = update(endpoints).where(endpoints.c.node == "n1").values(node="n2")
            sight.database.write(lambda c: c.execute(moved).rowcount).result(10)
        case "busy":
            until = given and now + given
            work = sight.store.engage_in
            sight.database.write(lambda c: work(c, A, client, device, until, now)).result(10)
        case "end":
            sight.gone(client, device)
        case "wait":
            sight.now += given


def afresh(sight: Sight) -> dict[Manner, tuple[int, list[str]]]:
    """What a roster that keeps nothing says: in words of what the database holds, which is read once for all manners
    that ask for the same devices."""
    told = {}
    for hidden in (True, False):
        with frozen(sight.database) as connection:
            found = states(connection, A, NAMES, sight.now, hidden=hidden)
        for manner in (one for one in MANNERS if one.hidden is hidden):
            how: Any = {"capability": manner.capability, "detail": manner.detail}
            each = [(name, found.clients.get(name, NEVER_SEEN)) for name in NAMES]
            told[manner] = (
                found.as_of,
                [presence_text(A, name, client, sight.now, **how) for name, client in each],
            )
    return told


def compare(sight: Sight, examples: int) -> None:
    @settings(max_examples=examples, deadline=None, database=None)
    @given(st.lists(steps, max_size=10))
    def after_each_step(done: list[tuple[str, str, str, Any]]) -> None:
        sight.begin()
        kept = Rosters(sight.database)
        for step in done:
            perform(sight, *step)
            as_new = afresh(sight)
            for manner in MANNERS:
                told = kept.named(A, NAMES, sight.now, manner)
                assert told == as_new[manner]
                assert [json.loads(text)["client"] for text in told[1]] == NAMES

    after_each_step()


def test_pr35_a_roster_that_was_kept_says_what_a_new_one_says(sight: Sight) -> None:
    """What is kept is the same for both databases; PostgreSQL shows that its statements find the same."""
    compare(sight, 80 if sight.database.sqlite else 25)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_pr35_the_same_for_long(sight: Sight) -> None:
    compare(sight, 500 if sight.database.sqlite else 200)


def test_pr35_heartbeats_are_rendered_without_the_devices_being_read_again(sight: Sight) -> None:
    for name in NAMES:
        sight.register(name, "d1", node="n1", socket=True)
    kept = Rosters(sight.database)
    kept.named(A, NAMES, NOW, Manner())
    holdings = Holdings(sight.store, Ledger(sight.store, "n1"), Nodes(sight.database, "n1"))
    holdings.touch({(A, name, "d1"): (NOW + 5, NOW + 80) for name in NAMES}).result(10)
    with sight.statements() as ran:
        _, texts = kept.named(A, NAMES, NOW + 5, Manner())
    assert len(ran) == 2
    assert {json.loads(text)["endpoints"][0]["last_seen"] for text in texts} == {"2027-01-15T08:00:05Z"}


def test_the_texts_that_are_kept_are_bounded(sight: Sight, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rosters, "KEPT", 2)
    for name in NAMES:
        sight.register(name)
    kept = Rosters(sight.database)
    for _ in range(2):
        assert len(kept.named(A, NAMES, NOW, Manner())[1]) == 3
        assert len(kept._known) == 2


# -- secrets


def remembered(sight: Sight) -> tuple[Any, Any]:
    """What the loop may use of the account and its key; None for what it would have to wait for."""
    found = []
    for look in (
        lambda: sight.directory.memory.auth_tokens(A),
        lambda: sight.directory.memory.key_secret(A, KEY),
    ):
        try:
            found.append(look())
        except NotRemembered:
            found.append(None)
    return found[0], found[1]


@pytest.fixture
def secrets(sight: Sight) -> Any:
    """A directory that has been asked."""
    _ = sight.directory.put_account(A, "active", ["t" * 32], 1, NOW).result(10)
    assert remembered(sight) == (None, None)
    assert sight.directory.auth_tokens(A)
    assert sight.directory.key_secret(A, KEY)
    assert remembered(sight) == (("t" * 32,), "s" * 32)
    yield sight
    sight.directory.put_account(A, "active", ["t" * 32], 9, NOW).result(10)


def test_pr7_an_account_that_changes_is_forgotten(secrets: Sight) -> None:
    secrets.directory.put_account(A, "suspended", ["t" * 32], 9, NOW).result(10)
    assert remembered(secrets) == (None, None)


def test_pr7_a_revocation_forgets(secrets: Sight) -> None:
    secrets.directory.revocations.put(A, Kind.IDENTITY, "x", NOW).result(10)
    assert remembered(secrets) == (None, None)


def test_pr7_what_another_process_changes_is_forgotten_in_two_seconds(
    secrets: Sight, monkeypatch: pytest.MonkeyPatch
) -> None:

    later = time.monotonic() + 2.1
    monkeypatch.setattr("presence.access.directory.time.monotonic", lambda: later)
    assert remembered(secrets) == (None, None)


# -- the short way of registrations


class Short:
    def __init__(self, sight: Sight) -> None:
        self.sight = sight
        limit = RefusalLimit(0)
        access = Access(sight.keys, sight.directory, lambda: sight.now, limit, capability_tokens=True)
        self.dropped: Any = None
        self.way = Registering(access, sight.store, self, lambda: sight.now)  # type: ignore[arg-type]

    def ask(self, body: Any, client: str = "alice", **scope: Any) -> Response | None:
        headers = scope.pop("headers", None) or self.sight.bearer("presence:publish", identity=client)
        given = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        asked = {
            "method": "POST",
            "raw_path": f"/v1/Accounts/{A}/Clients/{client}/Registrations".encode(),
            "query_string": b"",
            "headers": given,
            **scope,
        }
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return asyncio.run(self.way(asked, raw))


@pytest.fixture
def short(sight: Sight) -> Short:
    sight.directory.auth_tokens(A)
    sight.directory.key_secret(A, KEY)
    return Short(sight)


BODIES: list[dict[str, Any]] = [
    {"endpoint_id": "e"},
    {"endpoint_id": "e", "status": "dnd", "note": "é\n", "priority": 3, "hidden": True, "ttl": 20},
    {"endpoint_id": "e", "capabilities": ["sms", "voice"], "delivery": {"push": "x"}},
]


@pytest.mark.parametrize("body", BODIES)
def test_pr10_the_short_way_says_what_the_view_says(short: Short, body: dict[str, Any]) -> None:
    first = short.ask(body)
    assert first is not None
    assert first[0] == 201
    short.sight.begin()
    headers = short.sight.bearer("presence:publish", identity="alice")
    long = short.sight.ask("/Clients/alice/Registrations", headers, body)
    assert long.status_code == 201
    sids = json.loads(first[2])["sid"], long.json["sid"]
    assert first[2].decode().replace(*sids) == long.text
    for name, value in first[1]:
        assert long.headers[name.decode()] == value.decode()
    again = short.ask(body)
    assert again is not None
    assert again[0] == 200


@pytest.mark.parametrize(
    "asked",
    [
        {"body": b"{"},
        {"body": []},
        {"body": {"endpoint_id": ""}},
        {"body": {"endpoint_id": "e", "status": "nonsense"}},
        {"body": {"endpoint_id": "e", "version": 7}},
        {"body": {"endpoint_id": "e", "capabilities": []}},
        {"body": {"endpoint_id": "e"}, "method": "GET"},
        {"body": {"endpoint_id": "e"}, "query_string": b"a=b"},
        {"body": {"endpoint_id": "e"}, "raw_path": f"/v1/Accounts/{A}/Clients/bob/Registrations".encode()},
        {"body": {"endpoint_id": "e"}, "headers": {"Authorization": "Basic x"}},
        {"body": {"endpoint_id": "e"}, "headers": {"Authorization": "Bearer x.y.z"}},
        {"body": {"endpoint_id": "e"}, "headers": {"Nothing": "x"}},
    ],
)
def test_pr3_everything_else_goes_the_long_way_and_nothing_is_written(
    short: Short, asked: dict[str, Any]
) -> None:
    assert short.ask(**asked) is None
    assert short.sight.log() == []


def test_pr3_who_may_not_publish_goes_the_long_way(short: Short) -> None:
    headers = short.sight.bearer("presence:read:account", identity="alice")
    assert short.ask({"endpoint_id": "e"}, headers=headers) is None
    assert short.sight.log() == []


def test_pr7_a_revoked_token_is_refused_on_the_short_way_at_once(short: Short) -> None:
    assert short.ask({"endpoint_id": "e"}, "mallory") is not None
    short.sight.directory.revocations.put(A, Kind.IDENTITY, "mallory", NOW).result(10)
    assert short.ask({"endpoint_id": "e"}, "mallory") is None
    short.sight.directory.auth_tokens(A)
    short.sight.directory.key_secret(A, KEY)
    assert short.ask({"endpoint_id": "e"}, "mallory") is None


def test_pr12_who_is_evicted_on_the_short_way_is_told(short: Short) -> None:
    dropped: list[Any] = []
    short.dropped = dropped.extend
    for n in range(11):
        short.sight.now += 1
        assert short.ask({"endpoint_id": f"e{n}"}) is not None
    assert [one.endpoint_id for one in dropped] == ["e0"]

"""Revoked tokens end what was made with them, at every process; what is not revoked is not touched (PR-7)."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, delete

from foundation.db import Database
from foundation.keys import Keys
from presence.access import revocations as module
from presence.access.directory import Directory
from presence.access.refusals import AccessRefused, Refusal
from presence.access.revocations import KEPT, Kind, Revocations, after, reason
from presence.access.tokens import Grant, signer
from presence.faults import Absent, Limited
from presence.models import metadata
from presence.registration import Endpoint
from presence.store import Store
from tests.support import tables

NOW = 1_800_000_000.5
A, B = "AC" + "a" * 32, "AC" + "b" * 32
KEY, NEW_KEY = "SK" + "a" * 32, "SK" + "b" * 32
AUTH, NEW_AUTH = "t" * 32, "u" * 32


def grant(**changes: Any) -> Grant:
    whole = {
        "account_sid": A,
        "identity": "alice",
        "key_sid": KEY,
        "token_digest": "d",
        "token_id": "i",
        "issued_at": int(NOW) - 60,
        "expires_at": int(NOW) + 3600,
        "incoming": True,
    }
    return Grant(**{**whole, **changes})


class Process:
    """What one presence process has of the database that it shares."""

    def __init__(self, url: str) -> None:
        self.database = Database(url)
        self.store = Store(self.database)
        self.directory = Directory(self.database, Keys(["k" * 40]), self.store)

    @property
    def revocations(self) -> Revocations:
        return self.directory.revocations

    def register(self, one: Grant, endpoint_id: str = "e") -> None:
        asked = Endpoint(
            account_sid=one.account_sid,
            client=one.identity,
            endpoint_id=endpoint_id,
            sid=f"RG{endpoint_id:0>32}",
            key_sid=one.key_sid,
            token_digest=one.token_digest,
            token_id=one.token_id,
            token_issued_at=one.issued_at,
            token_expires_at=one.expires_at,
            refreshed_at=NOW,
            expires_at=NOW + 90,
        )
        self.store.register(asked, NOW).result(10)


class Processes:
    def __init__(self, url: str) -> None:
        self.here, self.there = Process(url), Process(url)
        for account, key in ((A, KEY), (A, NEW_KEY), (B, "SK" + "c" * 32)):
            self.here.directory.put_account(account, "active", [NEW_AUTH, AUTH], 1, NOW).result(10)
            self.here.directory.put_key(account, key, "s" * 32, 1).result(10)

    def put(self, kind: Kind, value: str, now: float = NOW) -> list[str]:
        """The endpoints that it ended."""
        ended = self.here.revocations.put(A, kind, value, now).result(10)
        return sorted(one.endpoint_id for one in ended)

    def close(self) -> None:
        """Leaves the tables empty."""

        def work(connection: Connection) -> None:
            for table in metadata.sorted_tables:
                connection.execute(delete(table))

        self.here.database.write(work).result(10)
        self.here.database.close()
        self.there.database.close()


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """One database of each kind, with empty tables."""
    if request.param == "sqlite":
        made = f"sqlite:///{tmp_path_factory.mktemp('revocations')}/presence.sqlite3"
    else:
        made = request.getfixturevalue("postgresql").database()
    tables.make(made, "presence")
    return made


@pytest.fixture
def both(url: str) -> Iterator[Processes]:
    running = Processes(url)
    yield running
    running.close()


ALL_KINDS = [
    (Kind.TOKEN, "d", grant(token_digest="x")),
    (Kind.TOKEN, "i", grant(token_id="x")),
    (Kind.KEY, KEY, grant(key_sid=NEW_KEY)),
    (Kind.IDENTITY, "alice", grant(identity="bob")),
    (Kind.IDENTITY, "alice", grant(issued_at=int(NOW) + 1)),
    (Kind.ACCOUNT, "", grant(issued_at=int(NOW) + 1)),
]


@pytest.mark.parametrize(("kind", "value", "spared"), ALL_KINDS)
def test_pr7_a_revocation_ends_its_registrations_and_spares_the_others(
    both: Processes, kind: Kind, value: str, spared: Grant
) -> None:
    spared = replace(spared, token_digest="z" if kind is not Kind.TOKEN else spared.token_digest)
    both.here.register(grant(), "gone")
    both.here.register(spared, "spared")
    both.here.register(grant(account_sid=B, key_sid="SK" + "c" * 32), "another account's")
    assert both.put(kind, value) == ["gone"]
    assert both.here.revocations.is_revoked(grant())
    assert not both.here.revocations.is_revoked(spared)
    assert not both.here.revocations.is_revoked(grant(account_sid=B))
    assert both.put(kind, value) == []


@pytest.mark.parametrize(("kind", "value", "spared"), ALL_KINDS)
def test_pr7_the_other_process_knows_after_its_next_look(
    both: Processes, kind: Kind, value: str, spared: Grant
) -> None:
    both.there.revocations.refresh(NOW - 1)
    both.put(kind, value)
    assert not both.there.revocations.is_revoked(grant())
    both.there.revocations.refresh(NOW + 1)
    assert both.there.revocations.is_revoked(grant())
    assert not both.there.revocations.is_revoked(spared)


@pytest.mark.parametrize(("kind", "value", "spared"), ALL_KINDS)
def test_pr3_a_registration_that_was_verified_before_the_revocation_is_refused_after_it(
    both: Processes, kind: Kind, value: str, spared: Grant
) -> None:
    """The other process has not heard of it yet: the unit of work looks for itself."""
    both.put(kind, value)
    with pytest.raises(AccessRefused) as refused:
        both.there.register(grant())
    assert refused.value.refusal is Refusal.REVOKED
    both.there.register(spared)


def test_pr7_a_process_that_starts_later_knows_what_still_matters(both: Processes) -> None:
    both.put(Kind.IDENTITY, "alice", NOW - KEPT + 10)
    both.put(Kind.IDENTITY, "bob", NOW - KEPT - 10)
    both.there.revocations.refresh(NOW)
    long_ago = {"issued_at": 0}
    assert both.there.revocations.is_revoked(grant(**long_ago))
    assert not both.there.revocations.is_revoked(grant(identity="bob", **long_ago))


def test_pr7_a_row_that_comes_late_is_still_seen(both: Processes) -> None:
    """Clocks differ and commits take time: each look goes back half a minute."""
    both.there.revocations.refresh(NOW)
    both.put(Kind.IDENTITY, "alice", NOW - 29)
    both.there.revocations.refresh(NOW + 1)
    assert both.there.revocations.is_revoked(grant())


def test_pr7_tokens_of_the_same_second_are_refused_and_later_ones_work_again(both: Processes) -> None:
    both.put(Kind.IDENTITY, "alice")
    assert both.here.revocations.is_revoked(grant(issued_at=int(NOW)))
    assert not both.here.revocations.is_revoked(grant(issued_at=int(NOW) + 1))
    both.put(Kind.IDENTITY, "alice", NOW + 60)
    assert both.here.revocations.is_revoked(grant(issued_at=int(NOW) + 60))
    both.put(Kind.IDENTITY, "alice", NOW + 30)  # by a clock that is behind: the later moment stands
    both.there.revocations.refresh(NOW + 61)
    for process in (both.here, both.there):
        assert process.revocations.is_revoked(grant(issued_at=int(NOW) + 60))


def test_memory_is_pruned_when_the_last_such_token_has_ended(both: Processes) -> None:
    both.put(Kind.IDENTITY, "alice")
    both.here.revocations.refresh(NOW)
    assert both.here.revocations.is_revoked(grant())
    both.here.revocations.refresh(NOW + KEPT + 1)
    assert not both.here.revocations.is_revoked(grant())
    assert both.here.revocations._known == {}


def test_an_account_has_a_bounded_number_of_revocations(
    both: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST", 2)
    both.put(Kind.IDENTITY, "alice")
    both.put(Kind.IDENTITY, "bob")
    with pytest.raises(Limited, match="at most 2"):
        both.put(Kind.IDENTITY, "carol")
    both.put(Kind.ACCOUNT, "")
    both.put(Kind.IDENTITY, "carol", NOW + KEPT + 1)


def test_an_unknown_account_is_absent(both: Processes) -> None:
    with pytest.raises(Absent):
        both.here.revocations.put("AC" + "9" * 32, Kind.ACCOUNT, "", NOW).result(10)


def test_revocations_are_listed_in_pages(both: Processes) -> None:
    for value in ("bob", "alice", "carol"):
        both.put(Kind.IDENTITY, value)
    both.put(Kind.KEY, KEY)
    first = both.here.revocations.page(A, NOW, 2)
    rest = both.here.revocations.page(A, NOW, 10, beyond=(first[-1].kind, first[-1].value))
    assert [one.value for one in (*first, *rest)] == ["alice", "bob", "carol", KEY]
    assert both.here.revocations.page(B, NOW, 10) == []
    assert both.here.revocations.page(A, NOW + KEPT, 10) == []


# Keys and auth tokens: two valid at once, then the old one goes


def test_pr7_two_keys_are_valid_at_once_and_deleting_one_spares_the_other(both: Processes) -> None:
    both.here.register(grant(), "old")
    both.here.register(grant(key_sid=NEW_KEY, token_digest="x", token_id="x"), "new")
    assert both.there.directory.key_secret(A, KEY) == both.there.directory.key_secret(A, NEW_KEY) == "s" * 32
    ended = both.here.directory.delete_key(KEY, NOW).result(10)
    assert [one.endpoint_id for one in ended] == ["old"]
    assert both.here.directory.key_secret(A, KEY) is None
    both.there.revocations.refresh(NOW + 1)
    assert both.there.revocations.is_revoked(grant())
    assert not both.there.revocations.is_revoked(grant(key_sid=NEW_KEY))
    with pytest.raises(AccessRefused) as refused:
        both.there.register(grant(), "again")
    assert refused.value.refusal is Refusal.ISSUER


def test_pr7_a_key_goes_only_by_its_own_account(both: Processes) -> None:
    for key, account in ((KEY, B), ("SK" + "9" * 32, A)):
        with pytest.raises(Absent):
            both.here.directory.delete_key(key, NOW, account_sid=account).result(10)
    assert both.here.directory.key_secret(A, KEY)
    both.here.directory.delete_key(KEY, NOW, account_sid=A).result(10)
    assert both.here.directory.key_secret(A, KEY) is None


def test_pr7_two_auth_tokens_are_valid_at_once_and_dropping_one_spares_the_other(both: Processes) -> None:
    both.here.register(grant(key_sid=signer(AUTH)), "old")
    both.here.register(grant(key_sid=signer(NEW_AUTH), token_digest="x", token_id="x"), "new")
    ended = both.here.directory.put_account(A, "active", [NEW_AUTH], 2, NOW).result(10)
    assert [one.endpoint_id for one in ended] == ["old"]
    both.there.revocations.refresh(NOW + 1)
    assert both.there.revocations.is_revoked(grant(key_sid=signer(AUTH)))
    assert not both.there.revocations.is_revoked(grant(key_sid=signer(NEW_AUTH)))
    older = both.here.directory.put_account(A, "active", [AUTH], 1, NOW).result(10)
    assert older == []


def test_an_account_that_was_sealed_with_a_lost_master_key_is_mended_by_the_router(both: Processes) -> None:
    process = both.there
    found = Directory(process.database, Keys(["n" * 40]), process.store)
    found.put_account(A, "active", [AUTH], 2, NOW).result(10)
    assert found.auth_tokens(A) == (AUTH,)


def told(process: Process, act: Callable[[], "Future[Any]"], *grants: Grant) -> list[tuple[Refusal, int]]:
    """Which of the grants the process's watch ends after the act, and why."""
    found: list[tuple[Refusal, int]] = []
    looked = threading.Event()

    async def watch() -> None:
        done = asyncio.Event()

        def end(refusal: Refusal, gone: Callable[[Grant], bool]) -> None:
            found.extend((refusal, n) for n, one in enumerate(grants) if gone(one))
            done.set()

        refresh = process.revocations.refresh

        def looking(now: float) -> None:
            refresh(now)
            looked.set()

        process.revocations.refresh = looking  # type: ignore[method-assign]
        watching = asyncio.create_task(
            process.revocations.watch(end, lambda: datetime.fromtimestamp(NOW, UTC))
        )
        await asyncio.to_thread(looked.wait, 10)
        await asyncio.wrap_future(act())
        async with asyncio.timeout(10):
            await done.wait()
        watching.cancel()

    asyncio.run(watch())
    return found


def test_pr7_the_watch_of_another_process_ends_what_is_open(both: Processes) -> None:
    grants = (grant(), grant(identity="bob", token_digest="x"), grant(account_sid=B))
    act = lambda: both.here.revocations.put(A, Kind.IDENTITY, "alice", NOW)  # noqa: E731
    assert told(both.there, act, *grants) == [(Refusal.REVOKED, 0)]


def test_pr7_a_suspended_account_ends_everywhere_and_resumes_with_the_same_tokens(both: Processes) -> None:
    """Twilio's tokens work again when an account is resumed: a suspension revokes none."""
    both.here.register(grant(), "gone")
    assert both.there.directory.auth_tokens(A)

    def suspend() -> "Future[Any]":
        return both.here.directory.put_account(A, "suspended", [AUTH], 2, NOW)

    assert told(both.there, suspend, grant(), grant(account_sid=B)) == [(Refusal.ACCOUNT, 0)]
    with pytest.raises(AccessRefused) as refused:
        both.there.register(grant())
    assert refused.value.refusal is Refusal.ACCOUNT
    assert both.here.directory.auth_tokens(A) is None
    both.here.directory.put_account(A, "active", [AUTH], 3, NOW + 1).result(10)
    assert not both.there.revocations.is_revoked(grant())
    assert both.there.directory.auth_tokens(A) == (AUTH,)
    both.there.register(grant())


def test_a_database_that_is_away_does_not_end_the_watch(both: Processes) -> None:
    reads = iter([OSError("away")])
    refresh = both.there.revocations.refresh

    def failing(now: float) -> None:
        for error in reads:
            raise error
        refresh(now)

    both.there.revocations.refresh = failing  # type: ignore[method-assign]
    act = lambda: both.here.revocations.put(A, Kind.TOKEN, "d", NOW)  # noqa: E731
    assert told(both.there, act, grant()) == [(Refusal.REVOKED, 0)]


# Pure parts


@given(
    named=st.lists(
        st.tuples(
            st.sampled_from(list(Kind)), st.sampled_from(["d", "i", KEY, "alice", ""]), st.integers(0, 9)
        ),
        max_size=6,
    ),
    issued_at=st.integers(0, 9),
)
def test_pr7_more_revocations_never_make_a_token_good(
    named: list[tuple[Kind, str, int]], issued_at: int
) -> None:
    known: dict[tuple[Kind, str], float] = {}
    revoked = False
    for kind, value, at in named:
        known[kind, value] = max(known.get((kind, value), 0), at)
        now_revoked = reason(grant(issued_at=issued_at), known) is not None
        assert now_revoked >= revoked
        revoked = now_revoked


def test_who_waits_sees_what_the_action_did() -> None:
    inner: Future[int] = Future()
    done: list[str] = []
    outer = after(inner, lambda: done.append("acted"))
    assert not outer.cancel()
    outer.add_done_callback(lambda _: done.append("told"))
    inner.set_result(7)
    assert (outer.result(0), done) == (7, ["acted", "told"])


def test_a_failure_is_handed_on() -> None:
    for inner_fails in (True, False):
        inner: Future[int] = Future()

        def fail() -> None:
            raise OSError("action")

        outer = after(inner, fail)
        if inner_fails:
            inner.set_exception(OSError("inner"))
        else:
            inner.set_result(1)
        with pytest.raises(OSError, match="inner" if inner_fails else "action"):
            outer.result(0)

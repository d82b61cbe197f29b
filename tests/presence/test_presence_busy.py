"""The router drives status: a device is busy while a call of it lives, and not for longer (PR-24)."""

from collections.abc import Iterator
from typing import Any

import pytest
from presence_asking import NOW, A, B, Stores
from sqlalchemy import select

from presence.models import endpoints
from presence.signalling.ledger import LEASE, BoundCall, Ledger
from presence.store import all_of

ONE, TWO = "CA" + "1" * 32, "CA" + "2" * 32


@pytest.fixture
def db(database_url: str) -> Iterator[Stores]:
    stores = Stores(database_url)
    stores.register("alice", "desk", status="available", expires_at=NOW + 3000, note="here")
    yield stores
    stores.database.close()


@pytest.fixture
def ledger(db: Stores) -> Ledger:
    return Ledger(db.store, "here")


def call(call_sid: str = ONE, endpoint_id: str = "desk") -> BoundCall:
    return BoundCall(
        account_sid=A, call_sid=call_sid, client="alice", endpoint_id=endpoint_id, incoming=True, ufrag="u"
    )


def kinds(db: Stores) -> list[tuple[str, bool]]:
    """What happened after the registration, and whether watchers see it."""
    return [(kind, visible) for _, kind, _, visible in db.log()[1:]]


def swept(db: Stores, now: float) -> list[Any]:
    return all_of(db.store.sweep(now), 10)


def test_pr24_busy_for_the_call_and_what_it_was_afterwards(db: Stores, ledger: Ledger) -> None:
    ledger.bind(call(), NOW).result()
    assert db.sees("alice").told == ("busy", False, ("voice",), "here")
    ledger.unbind(A, ONE, NOW + 5)
    assert ledger.renew(A, [], NOW + 5).result() == []  # writes of an account are in order
    assert db.sees("alice").told == ("available", True, ("voice",), "here")
    assert kinds(db) == [("engaged", True), ("free", True)]


def test_pr24_a_status_set_on_a_call_is_there_after_it(db: Stores, ledger: Ledger) -> None:
    ledger.bind(call(), NOW).result()
    db.register("alice", "desk", status="dnd", expires_at=NOW + 3000)
    assert db.sees("alice").status == "busy"
    assert db.sees("alice", NOW + LEASE).status == "dnd"
    assert kinds(db) == [("engaged", True), ("updated", False)]


def test_pr24_messages_come_through_on_a_call(db: Stores, ledger: Ledger) -> None:
    db.register("alice", "desk", capabilities=("voice", "sms"), expires_at=NOW + 3000)
    ledger.bind(call(), NOW).result()
    assert not db.sees("alice", capability="voice").available
    assert db.sees("alice", capability="sms").available


def test_pr24_a_lease_keeps_it_busy_only_while_the_router_says_so(db: Stores, ledger: Ledger) -> None:
    ledger.bind(call(), NOW).result()
    for n in range(1, 5):
        assert ledger.renew(A, [ONE, TWO], NOW + 20 * n).result() == [TWO]
        assert swept(db, NOW + 20 * n) == []
    assert db.sees("alice", NOW + 80 + LEASE - 0.1).status == "busy"
    assert db.sees("alice", NOW + 80 + LEASE).status == "available"
    assert kinds(db) == [("engaged", True)]


def test_pr24_a_dead_routers_device_is_free_and_watchers_hear_it_once(db: Stores, ledger: Ledger) -> None:
    ledger.bind(call(), NOW).result()
    for now in (NOW + LEASE - 1, NOW + LEASE, NOW + LEASE, NOW + LEASE + 60):
        swept(db, now)
    assert kinds(db) == [("engaged", True), ("free", True)]
    with db.database.read() as connection:
        assert connection.execute(select(endpoints.c.busy_until)).scalars().all() == [0.0]


def test_pr24_a_router_that_comes_back_makes_it_busy_again(db: Stores, ledger: Ledger) -> None:
    ledger.bind(call(), NOW).result()
    swept(db, NOW + LEASE)
    assert ledger.renew(A, [ONE], NOW + LEASE + 30).result() == []
    assert db.sees("alice", NOW + LEASE + 31).status == "busy"
    assert kinds(db) == [("engaged", True), ("free", True), ("engaged", True)]


def test_pr24_a_lease_that_lapses_between_two_sweeps_and_is_renewed_is_told_again(
    db: Stores, ledger: Ledger
) -> None:
    """Watchers were not told that it was free, but somebody may have looked then."""
    ledger.bind(call(), NOW).result()
    ledger.renew(A, [ONE], NOW + LEASE + 1).result()
    swept(db, NOW + LEASE + 1)
    assert kinds(db) == [("engaged", True), ("engaged", True)]


def test_pr24_two_calls_of_a_device_are_one_busy_time(db: Stores, ledger: Ledger) -> None:
    ledger.bind(call(ONE), NOW).result()
    ledger.bind(call(TWO), NOW + 10).result()
    ledger.unbind(A, ONE, NOW + 20)
    assert ledger.renew(A, [TWO], NOW + 20).result() == []
    assert db.sees("alice", NOW + 20).status == "busy"
    ledger.unbind(A, TWO, NOW + 30)
    ledger.renew(A, [], NOW + 30).result()
    assert db.sees("alice", NOW + 30).status == "available"
    assert kinds(db) == [("engaged", True), ("free", True)]


def test_pr24_a_call_that_moves_frees_the_device_that_it_left(db: Stores, ledger: Ledger) -> None:
    db.register("alice", "phone", expires_at=NOW + 3000)
    ledger.bind(call(), NOW).result()
    ledger.bind(call(endpoint_id="phone"), NOW + 1).result()
    busy = [one.endpoint_id for one in db.sees("alice").endpoints if one.busy_until > NOW + 1]
    assert busy == ["phone"]


def test_pr24_calls_of_devices_that_went_away_do_nothing(db: Stores, ledger: Ledger) -> None:
    db.store.unregister(A, "alice", NOW, endpoint_id="desk").result()
    ledger.bind(call(), NOW).result()
    assert ledger.renew(A, [ONE], NOW + 1).result() == []
    assert kinds(db) == [("unregistered", True)]


def test_i12_an_account_keeps_only_its_own_calls_alive(db: Stores, ledger: Ledger) -> None:
    ledger.bind(call(), NOW).result()
    assert ledger.renew(B, [ONE], NOW + LEASE - 1).result() == [ONE]
    assert db.sees("alice", NOW + LEASE).status == "available"


def test_pr24_expired_and_lapsed_at_once_it_is_told_once(db: Stores, ledger: Ledger) -> None:
    db.register("alice", "desk", expires_at=NOW + LEASE)
    ledger.bind(call(), NOW).result()
    assert [one.endpoint_id for one in swept(db, NOW + LEASE)] == ["desk"]
    assert swept(db, NOW + LEASE) == []
    assert kinds(db)[-2:] == [("engaged", True), ("expired", True)]

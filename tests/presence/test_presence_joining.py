"""Registrations of one moment are what they would have been one after the other, and nobody spoils another's."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, event, insert
from test_presence_store import KEY, NOW, A, B, Stores, db, endpoint, written  # noqa: F401 - the fixture

from presence.access.refusals import AccessRefused, Refusal
from presence.access.revocations import KEPT, Kind
from presence.joining import Asked, StatusUnknown
from presence.models import accounts, changes, clients, endpoints, revocations
from presence.registration import StaleVersion
from presence.store import Store

CAP = 2
TABLES = (endpoints, clients, changes)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stores, Stores]]:
    """Two databases: one is written one by one, the other all at once."""
    folder = tmp_path_factory.mktemp("joining")
    both = Stores(f"sqlite:///{folder}/one"), Stores(f"sqlite:///{folder}/many")
    yield both
    for stores in both:
        stores.database.close()


def clear(stores: Stores) -> None:
    def work(connection: Any) -> None:
        for table in (endpoints, clients, changes):
            connection.execute(delete(table))
        connection.execute(accounts.update().values(sequence=0))

    stores.database.write(work).result(10)


def asked(client: str, device: str, after: int, **more: Any) -> Asked:
    now = NOW + after
    status, note, based_on = more.pop("status", None), more.pop("note", None), more.pop("based_on", None)
    return Asked(
        endpoint=endpoint(client, device, now, **more),
        now=now,
        status=status,
        note=note,
        based_on=based_on,
        cap=CAP,
    )


wishes = st.builds(
    asked,
    st.sampled_from(["alice", "bob"]),
    st.sampled_from(["d1", "d2", "d3"]),
    st.sampled_from([0, 1, 95, 200]),
    account_sid=st.sampled_from([A, A, B]),
    key_sid=st.sampled_from([KEY, "AT1"]),
    status=st.sampled_from([None, "dnd", "away", "nonsense"]),
    note=st.sampled_from([None, "", "lunch"]),
    based_on=st.sampled_from([None, None, 0, 1, 2]),
    hidden=st.booleans(),
    socket=st.booleans(),
    priority=st.sampled_from([0, 1]),
)


def told(answer: Any) -> str:
    return repr(answer) if not isinstance(answer, Exception) else f"{type(answer).__name__} {answer}"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(wishes, max_size=12).map(lambda many: sorted(many, key=lambda one: one.now)))
def test_pr10_pr12_many_at_once_are_what_they_are_one_by_one(
    pair: tuple[Stores, Stores], many: list[Asked]
) -> None:
    one_by_one, together = pair
    clear(one_by_one)
    clear(together)
    singly = []
    for one in many:
        work = one_by_one.store._joining.together
        singly.append(one_by_one.database.write(lambda c, w=work, o=one: w(c, [o])[0]).result(10))
    work = together.store._joining.together
    answers = together.database.write(lambda connection: work(connection, many)).result(10) if many else []
    assert list(map(told, answers)) == list(map(told, singly))
    for table in TABLES:
        assert sorted(map(repr, together.rows(table))) == sorted(map(repr, one_by_one.rows(table)))
    numbers = [[(row.account_sid, row.sequence) for row in stores.rows(accounts)] for stores in pair]
    assert numbers[0] == numbers[1]


def test_pr3_what_is_refused_to_one_is_stored_for_the_others(db: Stores) -> None:  # noqa: F811
    db.directory.revocations.put(A, Kind.IDENTITY, "mallory", NOW + 5).result(10)
    held = hold(db)
    waiting = {
        "alice": db.store.register(endpoint("alice"), NOW),
        "mallory": db.store.register(endpoint("mallory", token_issued_at=NOW), NOW),
        "stranger": db.store.register(endpoint("stranger", account_sid="AC" + "f" * 32), NOW),
        "nokey": db.store.register(endpoint("nokey", key_sid="SK" + "f" * 32), NOW),
        "stale": db.store.register(endpoint("stale"), NOW, based_on=7),
        "odd": db.store.register(endpoint("odd"), NOW, status="nonsense"),
        "bob": db.store.register(endpoint("bob"), NOW),
    }
    held.set()
    refusals: dict[str, Refusal | type[Exception]] = {}
    for name, future in waiting.items():
        if (error := future.exception(10)) is not None:
            refusals[name] = error.refusal if isinstance(error, AccessRefused) else type(error)
    assert refusals == {
        "mallory": Refusal.REVOKED,
        "stranger": Refusal.ACCOUNT,
        "nokey": Refusal.ISSUER,
        "stale": StaleVersion,
        "odd": StatusUnknown,
    }
    assert sorted(row.client for row in db.rows(endpoints)) == ["alice", "bob"]
    assert [row.sequence for row in sorted(db.rows(changes), key=lambda row: row.sequence)] == [1, 2]


def hold(db: Stores) -> Any:  # noqa: F811
    """Holds the writers, so that what follows stands in one batch; set what it answers."""

    entered, opened = threading.Event(), threading.Event()

    def work(_connection: Any) -> None:
        entered.set()
        assert opened.wait(10)

    db.database.write(work, A)
    assert entered.wait(10)
    return opened


def test_many_registrations_are_a_few_statements(db: Stores) -> None:  # noqa: F811
    statements: list[str] = []
    event.listen(
        db.database.writer_engine,
        "before_cursor_execute",
        lambda _c, _cur, statement, *_: statements.append(statement),
    )
    held = hold(db)
    waiting = [db.store.register(endpoint(f"c{n}"), NOW) for n in range(100)]
    held.set()
    assert {one.result(10).version for one in waiting} == {1}
    assert len(statements) < 15


def test_pr12_the_cap_is_the_operators(db: Stores) -> None:  # noqa: F811
    store = Store(db.database, cap=3)
    for n in range(5):
        accepted = store.register(endpoint("alice", f"d{n}", NOW + n), NOW + n).result(10)
        assert [one.endpoint_id for one in accepted.registered.evicted] == ([f"d{n - 3}"] if n >= 3 else [])
    assert len(db.rows(endpoints)) == 3


def test_the_sweep_forgets_old_revocations_without_any_old_change(db: Stores) -> None:  # noqa: F811
    row = {"account_sid": A, "kind": "token", "at": NOW - 10, "until": NOW - 10 + KEPT}
    old = {**row, "at": NOW - KEPT - 1, "until": NOW - 1}
    db.database.write(
        lambda c: c.execute(insert(revocations), [{**row, "value": "new"}, {**old, "value": "old"}]).rowcount
    ).result(10)
    db.store.sweep(NOW)
    written(db)
    db.database.write(lambda _connection: None).result(10)
    assert [row.value for row in db.rows(revocations)] == ["new"]

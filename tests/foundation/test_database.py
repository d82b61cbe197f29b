"""Group commit on SQLite and PostgreSQL: acknowledged means stored, once, in order, within bounds."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from foundation import db
from foundation.db import Database, DatabaseClosed, DatabaseOverloaded
from tests.foundation.database_world import SECONDS, Gate, create, insert, stored
from tests.support.postgresql import Cluster


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/test.sqlite3"
    cluster: Cluster = request.getfixturevalue("postgresql")
    return cluster.database()


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    database = Database(url, writers=3)
    create(database)
    yield database
    database.close()


def commits(database: Database) -> list[int]:
    """Counts from now on: one entry per commit of the writers."""
    seen: list[int] = []
    event.listen(database.writer_engine, "commit", lambda _connection: seen.append(1))
    return seen


def test_units_that_wait_share_one_commit(database: Database) -> None:
    gate = Gate(database)
    seen = commits(database)
    threads = [threading.Thread(target=database.write, args=(insert(n),)) for n in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    last = database.write(insert(200))
    gate.open()
    last.result(SECONDS)
    assert len(seen) == 2  # the gate's, and one for all others
    assert stored(database) == list(range(201))


def test_i1_no_future_resolves_before_the_commit(database: Database) -> None:
    states: list[bool] = []
    future: list[Future[int]] = []
    gate = Gate(database)
    event.listen(database.writer_engine, "commit", lambda _connection: states.append(future[0].done()))
    future.append(database.write(insert(1)))
    gate.open()
    future[0].result(SECONDS)
    assert states == [False, False]


def test_a_failing_unit_fails_alone(database: Database) -> None:
    gate = Gate(database)
    units = [insert(1), insert(2), insert(1), _broken, insert(3)]
    futures = [database.write(unit) for unit in units]
    gate.open()
    outcomes = [type(future.exception(SECONDS)) for future in futures]
    assert outcomes == [type(None), type(None), IntegrityError, ZeroDivisionError, type(None)]
    assert stored(database) == [1, 2, 3]


def _broken(connection: Connection) -> None:
    insert(99)(connection)
    raise ZeroDivisionError


def test_a_unit_cannot_take_the_writer_with_it(database: Database) -> None:
    def leave(_connection: Connection) -> None:
        raise SystemExit

    assert isinstance(database.write(leave).exception(SECONDS), SystemExit)
    database.write(insert(1)).result(SECONDS)
    assert stored(database) == [1]


def test_units_of_one_key_run_in_order(database: Database) -> None:
    keys = [f"call {n}" for n in range(7)]
    futures = {
        (key, n): database.write(insert(n * 7 + i, key), key) for n in range(40) for i, key in enumerate(keys)
    }
    assert {at: future.result(SECONDS) for at, future in futures.items()} == {at: at[1] for at in futures}


def test_units_of_one_key_stay_in_order_when_one_fails(database: Database) -> None:
    gate = Gate(database, "call")
    futures = [database.write(_broken if n == 5 else insert(n, "call"), "call") for n in range(10)]
    gate.open()
    assert [future.result(SECONDS) for n, future in enumerate(futures) if n != 5] == list(range(9))


def test_i14_the_queue_is_bounded(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(db, "QUEUE", 3)
    gate = Gate(database)
    taken = [database.write(insert(n)) for n in range(3)]
    with pytest.raises(DatabaseOverloaded, match="try again"):
        database.write(insert(3))
    gate.open()
    assert [future.exception(SECONDS) for future in taken] == [None, None, None]
    assert stored(database) == [0, 1, 2]


def test_close_writes_what_was_queued_and_takes_nothing_more(url: str, database: Database) -> None:
    gate = Gate(database)
    futures = [database.write(insert(n)) for n in range(50)]
    closing_ = threading.Thread(target=database.close)
    closing_.start()
    with pytest.raises(DatabaseClosed):
        _write_for_ever(database, futures)
    gate.open()
    closing_.join(SECONDS)
    assert all(future.exception(0) is None for future in futures)
    with closing(Database(url)) as again:
        assert stored(again) == list(range(len(futures)))


def _write_for_ever(database: Database, futures: list[Future[int]]) -> None:
    while True:
        futures.append(database.write(insert(len(futures))))


def test_a_cancelled_unit_is_not_run(database: Database) -> None:
    gate = Gate(database)
    dropped, kept = database.write(insert(1)), database.write(insert(2))
    assert dropped.cancel()
    gate.open()
    kept.result(SECONDS)
    assert stored(database) == [2]


def test_commit_is_awaited_on_the_loop(database: Database) -> None:
    async def main() -> list[int]:
        return await asyncio.gather(*(database.commit(insert(n), "call") for n in range(20)))

    assert asyncio.run(main()) == list(range(20))


def test_readers_cannot_write(database: Database) -> None:
    with database.read() as connection, pytest.raises(DBAPIError):
        insert(1)(connection)
    assert stored(database) == []


@pytest.mark.parametrize("every", [1, 2, 3, 5])
def test_f4_a_failing_commit_is_retried_and_never_half_applied(every: int, database: Database) -> None:
    """Two of three attempts may fail at COMMIT (every = 1 fails all of them)."""
    count = 0

    def fail(_connection: Connection) -> None:
        nonlocal count
        count += 1
        if count % every == 0:
            raise OperationalError("COMMIT", {}, Exception("planted"))

    event.listen(database.writer_engine, "commit", fail)
    acknowledged: list[int] = []
    refused: list[int] = []
    for start in range(0, 60, 6):
        gate = Gate(database) if every > 1 else None
        futures = {n: database.write(insert(n), f"call {n % 2}") for n in range(start, start + 6)}
        if gate:
            gate.open()
        for n, future in futures.items():
            (refused if future.exception(SECONDS) else acknowledged).append(n)
        if every == 1:
            break
    event.remove(database.writer_engine, "commit", fail)
    assert stored(database) == acknowledged
    assert (refused == []) == (every > 1)


def test_f1_an_unreachable_database_fails_the_unit_soon_and_then_recovers(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = database.writer_engine.begin
    down = OperationalError("connect", {}, Exception("refused"))
    attempts: list[int] = []

    def refuse() -> Any:
        attempts.append(1)
        raise down

    monkeypatch.setattr(database.writer_engine, "begin", refuse)
    futures = [database.write(insert(n)) for n in range(5)]
    assert [future.exception(SECONDS) for future in futures] == [down] * 5
    assert len(attempts) <= 6  # by batch, not by unit
    monkeypatch.setattr(database.writer_engine, "begin", begin)
    database.write(insert(5)).result(SECONDS)
    assert stored(database) == [5]

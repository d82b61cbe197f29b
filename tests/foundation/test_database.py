"""Group commit on SQLite and PostgreSQL: acknowledged means stored, once, in order, within bounds."""

import asyncio
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event, text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from foundation import db
from foundation.db import Database, DatabaseClosed, DatabaseOverloaded, DatabaseUnusable
from tests.support.postgresql import Cluster, postgresql  # noqa: F401 - a fixture

SECONDS = 20


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/test.sqlite3"
    cluster: Cluster = request.getfixturevalue("postgresql")
    return cluster.database()


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    database = Database(url, writers=3)
    schema = "CREATE TABLE entry (id INTEGER PRIMARY KEY, key TEXT NOT NULL, position INTEGER NOT NULL)"
    database.write(lambda connection: connection.execute(text(schema))).result(SECONDS)
    yield database
    database.close()


def insert(number: int, key: str = "") -> Callable[[Connection], int]:
    """A unit of work that answers with the entry's place in the order of writing."""

    def unit(connection: Connection) -> int:
        position: int = connection.execute(
            text("SELECT count(*) FROM entry WHERE key = :k"), {"k": key}
        ).scalar_one()
        values = {"id": number, "key": key, "position": position}
        connection.execute(
            text("INSERT INTO entry (id, key, position) VALUES (:id, :key, :position)"), values
        )
        return position

    return unit


def stored(database: Database) -> list[int]:
    with database.read() as connection:
        return list(connection.execute(text("SELECT id FROM entry ORDER BY id")).scalars())


class Gate:
    """A unit that holds its writer until it is opened, so that others queue behind it."""

    def __init__(self, database: Database, key: str = "") -> None:
        self._entered, self._opened = threading.Event(), threading.Event()
        self.done = database.write(self._hold, key)
        assert self._entered.wait(SECONDS)

    def _hold(self, _connection: Connection) -> None:
        self._entered.set()
        assert self._opened.wait(SECONDS)

    def open(self) -> None:
        self._opened.set()
        self.done.result(SECONDS)


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
    acknowledged, refused = [], []
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


# -- SQLite


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "test.sqlite3"


def test_sqlite_is_durable_by_its_own_word(file: Path) -> None:
    wanted = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 5000}
    with closing(Database(f"sqlite:///{file}")) as database:
        database.check()
        for engine in (database.writer_engine, database.reader_engine):
            with engine.connect() as connection:
                assert {
                    name: connection.execute(text(f"PRAGMA {name}")).scalar() for name in wanted
                } == wanted


@pytest.mark.parametrize("pragma", ["synchronous=NORMAL", "foreign_keys=OFF"])
def test_f9_weak_settings_are_refused(pragma: str, file: Path) -> None:
    with closing(Database(f"sqlite:///{file}")) as database:

        @event.listens_for(database.writer_engine, "connect")
        def weaken(connection: Any, _record: Any) -> None:
            connection.execute(f"PRAGMA {pragma}")

        with pytest.raises(DatabaseUnusable, match=f"may lose commits: {pragma.partition('=')[0]} is"):
            database.check()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_a_database_in_memory_is_refused(url: str) -> None:
    with pytest.raises(DatabaseUnusable, match="name a file"):
        Database(url)


def test_f1_a_folder_that_is_missing(tmp_path: Path) -> None:
    with (
        closing(Database(f"sqlite:///{tmp_path}/none/x.sqlite3")) as database,
        pytest.raises(DatabaseUnusable, match="cannot open"),
    ):
        database.check()


def test_f8_a_file_that_is_no_database(file: Path) -> None:
    file.write_bytes(b"not a database at all" * 500)
    with closing(Database(f"sqlite:///{file}")) as database, pytest.raises(DatabaseUnusable):
        database.check()


def test_f8_a_damaged_file_is_found_at_start(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE entry (id INTEGER PRIMARY KEY, text TEXT)")
        connection.executemany("INSERT INTO entry (text) VALUES (?)", [("x" * 300,)] * 2000)
        connection.commit()
    damaged = bytearray(file.read_bytes())
    damaged[8192:40960] = os.urandom(32768)
    file.write_bytes(damaged)
    with closing(Database(f"sqlite:///{file}")) as database, pytest.raises(DatabaseUnusable):
        database.check()


def test_f2_a_busy_database_is_waited_for(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process holds the write lock through one whole busy time-out; nothing is lost or refused."""
    monkeypatch.setattr(db, "BUSY_TIMEOUT_MS", 100)
    with closing(Database(f"sqlite:///{file}")) as database:
        database.write(
            lambda c: c.execute(text("CREATE TABLE entry (id INTEGER, key TEXT, position INTEGER)"))
        ).result(SECONDS)
        failed_once = threading.Event()
        monkeypatch.setattr(db.log, "warning", lambda *_args, **_values: failed_once.set(), raising=False)
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            futures = [database.write(insert(n)) for n in range(20)]
            assert failed_once.wait(SECONDS)
            assert not any(future.done() for future in futures)
            other.execute("ROLLBACK")
        assert [future.exception(SECONDS) for future in futures] == [None] * 20
        assert stored(database) == list(range(20))


def test_f2_a_database_that_stays_busy_refuses_within_a_bound(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db, "BUSY_TIMEOUT_MS", 50)
    with closing(Database(f"sqlite:///{file}")) as database:
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("PRAGMA journal_mode=WAL")
            other.execute("BEGIN EXCLUSIVE")
            futures = [database.write(insert(n)) for n in range(20)]
            assert all(isinstance(future.exception(SECONDS), OperationalError) for future in futures)
            other.execute("ROLLBACK")
        create = text("CREATE TABLE entry (id INTEGER)")
        database.write(lambda connection: connection.execute(create)).result(SECONDS)
        assert stored(database) == []


# -- PostgreSQL


@pytest.fixture
def cluster_url(postgresql: Cluster) -> str:  # noqa: F811 - the fixture
    return postgresql.database()


@pytest.mark.postgresql
@pytest.mark.parametrize("setting", ["synchronous_commit"])
def test_postgresql_that_may_lose_commits_is_refused(setting: str, cluster_url: str) -> None:
    with closing(Database(cluster_url)) as database:
        database.check()
        name = database.writer_engine.url.database
        change = text(f"ALTER DATABASE {name} SET {setting} = off")
        database.write(lambda connection: connection.execute(change)).result(SECONDS)
    with (
        closing(Database(cluster_url)) as database,
        pytest.raises(DatabaseUnusable, match=f"{setting} is off"),
    ):
        database.check()


@pytest.mark.postgresql
def test_postgresql_bounds_every_wait_on_the_server(cluster_url: str) -> None:
    wanted = {"statement_timeout": "30s", "lock_timeout": "5s", "idle_in_transaction_session_timeout": "30s"}
    with closing(Database(cluster_url)) as database, database.read() as connection:
        assert {name: connection.execute(text(f"SHOW {name}")).scalar() for name in wanted} == wanted


@pytest.mark.postgresql
def test_f3_a_connection_that_dies_in_a_transaction_is_replaced(cluster_url: str) -> None:
    with closing(Database(cluster_url)) as database, closing(Database(cluster_url)) as killer:
        _create(database)
        killed: list[int] = []

        def unit(connection: Connection) -> None:
            insert(1)(connection)
            if not killed:
                killed.append(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())
                with killer.reader_engine.connect() as other:
                    other.execute(text(f"SELECT pg_terminate_backend({killed[0]}, 5000)"))
            insert(2)(connection)

        gate = Gate(database)
        futures = [database.write(unit), database.write(insert(3))]
        gate.open()
        assert [future.exception(SECONDS) for future in futures] == [None, None]
        assert killed
        assert stored(database) == [1, 2, 3]


@pytest.mark.postgresql
def test_f4_deadlocked_writers_both_end_well(cluster_url: str) -> None:
    with closing(Database(cluster_url, writers=2)) as database:
        _create(database)
        for n in (1, 2):
            database.write(insert(n)).result(SECONDS)
        both, first_try = threading.Barrier(2), [True, True]

        def crosswise(which: int) -> Callable[[Connection], None]:
            def unit(connection: Connection) -> None:
                update = text("UPDATE entry SET position = position + 1 WHERE id = :id")
                connection.execute(update, {"id": 1 + which})
                if first_try[which]:
                    first_try[which] = False
                    both.wait(SECONDS)
                connection.execute(update, {"id": 2 - which})

            return unit

        futures = [database.write(crosswise(which), key) for which, key in enumerate(_keys_of_two_writers())]
        assert [future.exception(SECONDS) for future in futures] == [None, None]
        with database.read() as connection:
            positions = connection.execute(text("SELECT position FROM entry ORDER BY id")).scalars().all()
        assert positions == [2, 3]


def _keys_of_two_writers() -> tuple[str, str]:
    import zlib

    odd = next(f"call {n}" for n in range(100) if zlib.crc32(f"call {n}".encode()) % 2)
    even = next(f"call {n}" for n in range(100) if zlib.crc32(f"call {n}".encode()) % 2 == 0)
    return odd, even


def _create(database: Database) -> None:
    schema = "CREATE TABLE entry (id INTEGER PRIMARY KEY, key TEXT NOT NULL, position INTEGER NOT NULL)"
    database.write(lambda connection: connection.execute(text(schema))).result(SECONDS)

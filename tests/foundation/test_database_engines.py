"""What is SQLite's own and what is PostgreSQL's: durability, waiting, damage, lost connections, deadlocks."""

import os
import sqlite3
import threading
import zlib
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event, text
from sqlalchemy.exc import OperationalError

from foundation import db
from foundation.db import Database, DatabaseUnusable
from tests.foundation.database_world import SECONDS, Gate, create, insert, stored
from tests.support.postgresql import Cluster

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
    monkeypatch.setattr(db, "PAUSES", (1.0, 1.0))  # time enough to end the lock, on a busy machine too
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
def cluster_url(postgresql: Cluster) -> str:
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
        create(database)
        killed: list[int] = []

        def unit(connection: Connection) -> None:
            insert(1)(connection)
            if not killed:
                killed.append(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())
                with killer.reader_engine.connect() as other:
                    other.execute(text(f"SELECT pg_terminate_backend({killed[0]}, 5000)"))
            insert(2)(connection)

        gate = Gate(database)
        futures: list[Future[Any]] = [database.write(unit), database.write(insert(3))]
        gate.open()
        assert [future.exception(SECONDS) for future in futures] == [None, None]
        assert killed
        assert stored(database) == [1, 2, 3]


@pytest.mark.postgresql
def test_f4_deadlocked_writers_both_end_well(cluster_url: str) -> None:
    with closing(Database(cluster_url, writers=2)) as database:
        create(database)
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
    odd = next(f"call {n}" for n in range(100) if zlib.crc32(f"call {n}".encode()) % 2)
    even = next(f"call {n}" for n in range(100) if zlib.crc32(f"call {n}".encode()) % 2 == 0)
    return odd, even

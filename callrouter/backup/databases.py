"""A database as lines of JSON, a table at a time, and back; from SQLite or PostgreSQL, into either.

All tables are read in one snapshot, so they fit each other, and the servers may go on writing meanwhile. What is read
back stands beside what is there until it is complete.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, Any

from sqlalchemy import (
    Connection,
    Engine,
    MetaData,
    Table,
    create_engine,
    event,
    insert,
    make_url,
    select,
    text,
)
from sqlalchemy.pool import NullPool

from migrations import runner
from migrations.runner import Server

REVISION = "alembic_version"
BESIDE = "callrouter_restoring"
"""The PostgreSQL schema in which tables are made before they take the others' place."""
BATCH = 500


@contextmanager
def snapshot(url: str) -> Iterator[Connection]:
    """A connection that sees the database as it is now, however long it reads."""
    engine = _engine(url)
    with engine.connect() as plain:
        level = {} if engine.dialect.name == "sqlite" else {"isolation_level": "REPEATABLE READ"}
        connection = plain.execution_options(**level, yield_per=BATCH)
        connection.execute(text(f"SELECT * FROM {REVISION}")).all()  # noqa: S608 - the snapshot is of now
        yield connection


def tables(connection: Connection) -> dict[str, Table]:
    """Every table but the one with the revision, as the database has it."""
    metadata = MetaData()
    metadata.reflect(connection)
    return {name: metadata.tables[name] for name in sorted(metadata.tables) if name != REVISION}


def lines(connection: Connection, table: Table) -> Iterator[str]:
    """A line of JSON for each row: the columns' values in their order, after a line with their names."""
    yield json.dumps([column.name for column in table.columns])
    for row in connection.execute(select(table)):
        yield json.dumps(list(row))


class Restored:
    """A database that is filled beside the one that is there; of SQLite it is `file`, which is the caller's to move."""

    def __init__(self, url: str, server: Server, revision: str, folder: Path) -> None:
        self._server: Server = server
        self.sqlite = make_url(url).get_backend_name() == "sqlite"
        self._final, self._revision = url, revision
        self.file = folder / f"{server}.sqlite3"
        self._url = f"sqlite:///{self.file.resolve()}" if self.sqlite else _beside(url)
        if not self.sqlite:
            _execute(url, f"DROP SCHEMA IF EXISTS {BESIDE} CASCADE", f"CREATE SCHEMA {BESIDE}")
        runner.upgrade(self._url, server, revision)
        self._engine = _engine(self._url)
        with self._engine.connect() as connection:
            self._tables = tables(connection)

    def fill(self, name: str, content: IO[bytes]) -> int:
        """Puts a table's lines in; returns how many rows. ValueError for what fits no table."""
        table = self._tables.get(name)
        columns = json.loads(content.readline())
        if table is None or not set(columns) <= set(table.columns.keys()):
            raise ValueError(f"there is no table {name} with the columns {', '.join(map(str, columns))}")
        rows = (dict(zip(columns, json.loads(line), strict=True)) for line in content)
        count = 0
        with self._engine.begin() as connection:
            while batch := list(islice(rows, BATCH)):
                connection.execute(insert(table), batch)
                count += len(batch)
        return count

    def finish(self) -> None:
        """Brings the tables to this release; then they are ready to be placed."""
        self._engine.dispose()
        if self._revision != runner.head(self._server):
            runner.upgrade(self._url, self._server)
        if self.sqlite:
            _execute(self._url, "PRAGMA journal_mode=DELETE")  # one file, without a journal beside it
            return
        with _engine(self._url).begin() as connection:
            for table in self._tables.values():
                _count_on(connection, table)

    def place(self) -> None:
        """PostgreSQL: all tables take the place of those that are there, in one transaction."""
        if self.sqlite:
            return
        with _engine(self._url).connect() as connection:
            names = [*tables(connection), REVISION]
        home = _home(self._final)
        moves = [
            step
            for name in names
            for step in (
                f'DROP TABLE IF EXISTS "{home}"."{name}" CASCADE',
                f'ALTER TABLE {BESIDE}."{name}" SET SCHEMA "{home}"',
            )
        ]
        _execute(self._final, *moves, f"DROP SCHEMA {BESIDE} CASCADE")

    def discard(self) -> None:
        """Leaves nothing behind."""
        self._engine.dispose()
        if not self.sqlite:
            _execute(self._final, f"DROP SCHEMA IF EXISTS {BESIDE} CASCADE")


def _count_on(connection: Connection, table: Table) -> None:
    """New rows get numbers after those that were put in."""
    for column in table.primary_key.columns:
        sequence = connection.execute(
            text("SELECT pg_get_serial_sequence(:table, :column)"),
            {"table": table.name, "column": column.name},
        ).scalar()
        if sequence:
            last = connection.execute(select(column).order_by(column.desc()).limit(1)).scalar()
            connection.execute(
                text("SELECT setval(:sequence, :last, :used)"),
                {"sequence": sequence, "last": last or 1, "used": last is not None},
            )


def _home(url: str) -> str:
    with _engine(url).connect() as connection:
        return str(connection.execute(text("SELECT current_schema()")).scalar_one())


def _beside(url: str) -> str:
    changed = make_url(url).update_query_dict({"options": f"-csearch_path={BESIDE}"})
    return changed.render_as_string(hide_password=False)


def _execute(url: str, *statements: str) -> None:
    engine = create_engine(url, poolclass=NullPool)
    if engine.dialect.name == "sqlite":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)
        return
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def _engine(url: str) -> Engine:
    engine = create_engine(url, poolclass=NullPool)
    if engine.dialect.name == "sqlite":

        @event.listens_for(engine, "connect")
        def leave_transactions_to_us(connection: Any, _record: Any) -> None:
            connection.isolation_level = None

        @event.listens_for(engine, "begin")
        def begin(connection: Connection) -> None:
            connection.exec_driver_sql("BEGIN")

    return engine

"""The database of one server: many readers, and writers that commit for everybody at once.

**Group commit.** A unit of work is a function of a connection. A writer thread takes all units that wait,
runs them in one transaction and commits once; only then do their futures resolve. So "acknowledged means
stored" (reliability-security I1) costs one sync for many callers, and no network is ever waited for inside
a transaction. When a unit of a batch fails, the batch is rolled back and each unit runs again in a
transaction of its own: units must be repeatable, that is, write to the connection and to nothing else.

SQLite runs in WAL mode with `synchronous=FULL` and one writer; PostgreSQL may have several, and units of one
key (a call) always go to the same one, in order.
"""

import asyncio
import queue
import threading
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import DBAPIError, OperationalError

T = TypeVar("T")
log = structlog.get_logger(__name__)

BATCH = 500
QUEUE = 10_000
RETRIES = 3
BUSY_TIMEOUT_MS = 5_000


class DatabaseUnusable(Exception):
    """The operator's database can't be used as it is; the message says what to change."""


class DatabaseOverloaded(Exception):
    """Too many units wait for the writer; the caller was refused before anything was stored."""


@dataclass
class _Unit:
    work: Callable[[Connection], Any]
    future: "Future[Any]" = field(default_factory=Future)


class Database:
    """One server's database. `close` ends the writers after what was queued."""

    def __init__(self, url: str, *, writers: int = 1, readers: int = 8) -> None:
        parsed = make_url(url)
        self.url = url
        self.sqlite = parsed.get_backend_name() == "sqlite"
        self.writer_engine = _engine(url, self.sqlite, writing=True, size=writers)
        self.reader_engine = _engine(url, self.sqlite, writing=False, size=readers)
        self._writers = [_Writer(self.writer_engine, n) for n in range(1 if self.sqlite else writers)]

    def check(self) -> None:
        """Raises DatabaseUnusable unless a commit is durable here (reliability-security 3.5)."""
        try:
            with self.writer_engine.connect() as connection:
                weak = _weaknesses(connection, self.sqlite)
        except OperationalError as error:
            raise DatabaseUnusable(
                f"cannot open the database {make_url(self.url)!r}: {error.orig}"
            ) from error
        if weak:
            raise DatabaseUnusable(f"the database {make_url(self.url)!r} may lose commits: {'; '.join(weak)}")

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for queries; nothing written on it is kept."""
        with self.reader_engine.connect() as connection:
            yield connection

    def write(self, work: Callable[[Connection], T], key: str = "") -> "Future[T]":
        """Queues a unit of work; its future resolves after the commit. DatabaseOverloaded: too many wait."""
        writer = self._writers[zlib.crc32(key.encode()) % len(self._writers)]
        return writer.submit(work)

    async def commit(self, work: Callable[[Connection], T], key: str = "") -> T:
        """`write`, awaited on the event loop."""
        return await asyncio.wrap_future(self.write(work, key))

    def close(self) -> None:
        for writer in self._writers:
            writer.close()
        self.writer_engine.dispose()
        self.reader_engine.dispose()


class _Writer:
    def __init__(self, engine: Engine, number: int) -> None:
        self._engine = engine
        self._queue: queue.Queue[_Unit | None] = queue.Queue(QUEUE)
        self._thread = threading.Thread(target=self._run, name=f"db-writer-{number}", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[Connection], T]) -> "Future[T]":
        unit = _Unit(work)
        try:
            self._queue.put_nowait(unit)
        except queue.Full:
            raise DatabaseOverloaded(
                "the database writer has more work than it can take; try again"
            ) from None
        return unit.future

    def close(self) -> None:
        self._queue.put(None)
        self._thread.join(timeout=30)

    def _run(self) -> None:
        open_ = True
        while open_:
            first = self._queue.get()
            batch = [first] if first else []
            open_ = first is not None
            while open_ and len(batch) < BATCH and not self._queue.empty():
                unit = self._queue.get_nowait()
                if unit is None:
                    open_ = False
                else:
                    batch.append(unit)
            batch = [unit for unit in batch if unit.future.set_running_or_notify_cancel()]
            if batch:
                self._commit(batch)

    def _commit(self, batch: list[_Unit]) -> None:
        try:
            with self._engine.begin() as connection:
                results = [unit.work(connection) for unit in batch]
        except Exception as error:
            if len(batch) == 1 and not isinstance(error, DBAPIError):
                batch[0].future.set_exception(error)
            else:
                for unit in batch:
                    self._commit_alone(unit)
        else:
            for unit, result in zip(batch, results, strict=True):
                unit.future.set_result(result)

    def _commit_alone(self, unit: _Unit) -> None:
        for attempt in range(1, RETRIES + 1):
            try:
                with self._engine.begin() as connection:
                    result = unit.work(connection)
            except OperationalError as error:
                log.warning("database write failed", attempt=attempt, error=str(error.orig))
                if attempt == RETRIES:
                    unit.future.set_exception(error)
            except Exception as error:
                unit.future.set_exception(error)
                return
            else:
                unit.future.set_result(result)
                return


def _engine(url: str, sqlite: bool, *, writing: bool, size: int) -> Engine:
    if not sqlite:
        limits = (
            "-c statement_timeout=30000 -c lock_timeout=5000 -c idle_in_transaction_session_timeout=30000"
        )
        return create_engine(
            url,
            pool_size=size,
            max_overflow=0 if writing else size,
            pool_pre_ping=True,
            connect_args={"options": limits},
        )
    engine = create_engine(
        url, pool_size=size, max_overflow=0, connect_args={"timeout": BUSY_TIMEOUT_MS / 1000}
    )

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we begin transactions, not the driver
        cursor = connection.cursor()
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            f"busy_timeout={BUSY_TIMEOUT_MS}",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A deferred transaction that turns into a writer fails at once under load, whatever the time-out.
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

    return engine


def _weaknesses(connection: Connection, sqlite: bool) -> list[str]:
    if sqlite:
        wanted = {"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1"}
        found = {name: str(connection.execute(text(f"PRAGMA {name}")).scalar()) for name in wanted}
        faults = [
            f"{name} is {found[name]}, not {wanted[name]}" for name in wanted if found[name] != wanted[name]
        ]
        if connection.execute(text("PRAGMA quick_check(1)")).scalar() != "ok":
            faults.append("the file is damaged")
        return faults
    setting = connection.execute(text("SHOW synchronous_commit")).scalar()
    return ["synchronous_commit is off"] if setting == "off" else []

"""The database of one server: many readers, and writers that commit for everybody at once.

**Group commit.** A unit of work is a function of a connection. A writer thread takes all units that wait,
runs them in one transaction and commits once; only then do their futures resolve. So "acknowledged means
stored" (reliability-security I1) costs one sync for many callers, and no network is ever waited for inside
a transaction. When a unit of a batch fails, the batch is rolled back and each unit runs again in a
transaction of its own; when the database fails, the whole batch runs again, three times at most. So units
must be repeatable: they write to the connection and to nothing else, and what must not happen twice stands
under a unique key, because a commit whose answer was lost on the way may have happened.

**Coalescing.** What a unit writes by `later` runs at the end of the batch, each statement once with the rows of all
units: a statement's fixed cost is many times that of a row. Units that are `gather`ed are one call for all of them that
stand side by side in a batch, so that they read together too.

SQLite runs in WAL mode with `synchronous=FULL` and one writer; PostgreSQL may have several, and units of one
key (a call, an account) always go to the same one, in order. Units of different keys of one batch run in the order of
their keys: so two processes that lock rows by key never wait for each other in a circle.
"""

import queue
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, TypeVar

import structlog
from sqlalchemy import Connection, Engine, Executable, create_engine, event, make_url, text
from sqlalchemy.exc import DBAPIError, OperationalError

from foundation.landing import landed
from foundation.metrics import (
    DATABASE_QUEUE,
    DATABASE_RETRIES,
    DATABASE_SECONDS,
    DATABASE_UNITS,
    DATABASE_WAIT,
)

T = TypeVar("T")
A = TypeVar("A")
log = structlog.get_logger(__name__)

BATCH = 500
QUEUE = 10_000
PAUSES = (0.05, 0.25)
"""Seconds before the second and the third attempt, when the database failed and not the unit."""
BUSY_TIMEOUT_MS = 5_000
CLOSE_SECONDS = 30
LINGER = 0.01
"""Seconds between two commits of gathered work alone: it stands side by side then, also where a commit takes no time.
Nobody waits for it who comes alone, or with work of another kind."""


class DatabaseUnusable(Exception):
    """The operator's database can't be used as it is; the message says what to change."""


class DatabaseOverloaded(Exception):
    """Too many units wait for the writer; the caller was refused before anything was stored."""


class DatabaseClosed(DatabaseOverloaded):
    """This process is stopping and takes no more work; nothing was stored."""


@dataclass(eq=False)
class _Unit:
    """Units with the same `together` that stand side by side are one call of it."""

    key: str
    alone: Callable[[Connection], Any] | None = None
    together: Callable[[Connection, Sequence[Any]], Sequence[Any]] | None = None
    item: Any = None
    future: "Future[Any]" = field(default_factory=Future)
    since: float = field(default_factory=time.monotonic)


Rows = Sequence[dict[str, Any]]
_LATER = "later"


def later(
    connection: Connection, statement: Executable, rows: Rows, *, otherwise: Exception | None = None
) -> None:
    """Has the statement run with these rows before the commit; the unit's own later queries don't see them.

    Give the same statement object each time, and rows of the same keys. `otherwise` is raised, and nothing of the
    unit is kept, when a row that is to match one in the database matches none.
    """
    if rows:
        connection.info[_LATER].setdefault(statement, []).append((rows, otherwise))


def _run_later(connection: Connection) -> None:
    for statement, parts in connection.info.pop(_LATER).items():
        rows = [row for more, _ in parts for row in more]
        result = connection.execute(statement, rows)
        otherwise = next((otherwise for _, otherwise in parts if otherwise), None)
        if otherwise and result.rowcount != len(rows):
            raise otherwise


class Database:
    """One server's database. `close` ends the writers after what was queued."""

    def __init__(self, url: str, *, writers: int = 1, readers: int = 8) -> None:
        parsed = make_url(url)
        self.url = url
        self.sqlite = parsed.get_backend_name() == "sqlite"
        if self.sqlite and parsed.database in (None, "", ":memory:"):
            raise DatabaseUnusable(
                f"{url} lives in memory; name a file, such as sqlite:////var/lib/router.sqlite3"
            )
        self.writer_engine = _engine(url, self.sqlite, writing=True, size=writers)
        self.reader_engine = _engine(url, self.sqlite, writing=False, size=readers)
        self._writers = [
            _Writer(self.writer_engine, n, by_key=not self.sqlite)
            for n in range(1 if self.sqlite else writers)
        ]

    def check(self) -> None:
        """Raises DatabaseUnusable unless a commit is durable here (reliability-security 3.5)."""
        try:
            with self.writer_engine.connect() as connection:
                weak = _weaknesses(connection, self.sqlite)
        except DBAPIError as error:
            raise DatabaseUnusable(
                f"cannot open the database {make_url(self.url)!r}: {error.orig}"
            ) from error
        if weak:
            raise DatabaseUnusable(f"the database {make_url(self.url)!r} may lose commits: {'; '.join(weak)}")

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for queries; the database refuses writes on it."""
        with self.reader_engine.connect() as connection:
            yield connection

    def write(self, work: Callable[[Connection], T], key: str = "") -> "Future[T]":
        """Queues a unit of work; its future resolves after the commit. Units of one key run in order.

        DatabaseOverloaded: too many wait. DatabaseClosed: after `close`. The future's exception is the unit's
        own, or OperationalError when the database failed every attempt; then nothing was stored.
        """
        return self._submit(_Unit(key, alone=work))

    def gather(
        self, work: Callable[[Connection, Sequence[A]], Sequence[T | Exception]], item: A, key: str = ""
    ) -> "Future[T]":
        """`write` for work that is cheaper for many: `work` gets the items of units side by side in a batch, in their
        order, and answers with a result for each. An exception among these is its item's alone, which has written
        nothing; one that `work` raises spoils the batch, and each item is tried alone.

        Give the same function each time, or the same method of the same object.
        """
        return self._submit(_Unit(key, together=work, item=item))

    def _submit(self, unit: _Unit) -> "Future[Any]":
        return self._writers[zlib.crc32(unit.key.encode()) % len(self._writers)].submit(unit)

    async def commit(self, work: Callable[[Connection], T], key: str = "") -> T:
        """`write`, awaited on the event loop."""
        return await landed(self.write(work, key))

    def close(self) -> None:
        for writer in self._writers:
            writer.close()
        self.writer_engine.dispose()
        self.reader_engine.dispose()


class _Writer:
    """A thread that owns one connection's worth of writing."""

    def __init__(self, engine: Engine, number: int, *, by_key: bool) -> None:
        self._engine, self._by_key = engine, by_key
        self._queue: queue.Queue[_Unit | None] = queue.Queue()  # bounded by submit, so that close always fits
        self._open = True
        self._door = threading.Lock()
        self._hurry, self._began = threading.Event(), float("-inf")
        self._thread = threading.Thread(target=self._run, name=f"db-writer-{number}", daemon=True)
        self._thread.start()

    def submit(self, unit: _Unit) -> "Future[Any]":
        with self._door:
            if not self._open:
                raise DatabaseClosed("this process is stopping and takes no more work; try again elsewhere")
            if self._queue.qsize() >= QUEUE:
                raise DatabaseOverloaded("the database writer has more work than it can take; try again")
            self._queue.put(unit)
            DATABASE_QUEUE.inc()
            if unit.alone:
                self._hurry.set()
        return unit.future

    def close(self) -> None:
        with self._door:
            self._open = False
            self._queue.put(None)
            self._hurry.set()
        self._thread.join(CLOSE_SECONDS)

    def _run(self) -> None:
        open_ = True
        while open_:
            first = self._queue.get()
            self._hurry.wait(self._began + LINGER - time.monotonic())
            self._hurry.clear()
            self._began = time.monotonic()
            batch = [first] if first else []
            open_ = first is not None
            while open_ and len(batch) < BATCH and not self._queue.empty():
                unit = self._queue.get_nowait()
                if unit is None:
                    open_ = False
                else:
                    batch.append(unit)
            DATABASE_QUEUE.dec(len(batch))
            batch = [unit for unit in batch if unit.future.set_running_or_notify_cancel()]
            if batch:
                DATABASE_WAIT.observe(self._began - batch[0].since)
                if self._by_key:
                    batch.sort(key=lambda unit: unit.key)
                self._commit(batch)
                DATABASE_SECONDS.observe(time.monotonic() - self._began)

    def _commit(self, batch: list[_Unit]) -> None:
        """Resolves every future of the batch: all together, or each alone when one unit spoils it."""
        for pause in (*PAUSES, None):
            error, by_unit = self._attempt(batch)
            if error is None:
                return
            if by_unit and len(batch) > 1:
                for unit in batch:
                    self._commit([unit])
                return
            if pause is None or not _may_pass(error):
                break
            DATABASE_RETRIES.inc()
            log.warning("database write failed and is tried again", units=len(batch), error=str(error))
            time.sleep(pause)
        for unit in batch:
            unit.future.set_exception(error)

    def _attempt(self, batch: list[_Unit]) -> tuple[BaseException | None, bool]:
        """Runs and commits a batch; after a failure: what it was, and whether a unit's work raised it."""
        working = False
        try:
            with self._engine.begin() as connection:
                working = True
                connection.info[_LATER] = {}
                results = _run(connection, batch)
                _run_later(connection)
                working = False
                DATABASE_UNITS.observe(len(batch))
        except (
            BaseException
        ) as error:  # whatever a unit raises, the writer lives on and nobody waits for ever
            return error, working and not _disconnected(error)
        for unit, result in zip(batch, results, strict=True):
            if unit.together and isinstance(result, Exception):
                unit.future.set_exception(result)
            else:
                unit.future.set_result(result)
        return None, False


def _run(connection: Connection, batch: list[_Unit]) -> list[Any]:
    """What each unit of the batch answers."""
    results: list[Any] = []
    for together, units in groupby(batch, key=lambda unit: unit.together or unit):
        given = list(units)
        if isinstance(together, _Unit):
            assert together.alone is not None
            results.append(together.alone(connection))
        else:
            results += together(connection, [unit.item for unit in given])
    if len(results) != len(batch):
        raise RuntimeError("gathered work must answer for each of its items")
    return results


def _disconnected(error: BaseException) -> bool:
    return isinstance(error, DBAPIError) and error.connection_invalidated


def _may_pass(error: BaseException) -> bool:
    """Whether the same work may succeed a moment later: busy, deadlock, serialization, lost connection."""
    return isinstance(error, OperationalError) or _disconnected(error)


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
            execution_options={} if writing else {"postgresql_readonly": True},
            connect_args={"options": limits, "connect_timeout": 5, "tcp_user_timeout": 5000},
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
            f"query_only={'OFF' if writing else 'ON'}",
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
    settings = ("synchronous_commit", "fsync", "full_page_writes")
    return [
        f"{name} is off" for name in settings if connection.execute(text(f"SHOW {name}")).scalar() == "off"
    ]

"""Rows that units leave for the end of their batch: coalesced, all or nothing, and each unit's fault its own."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Column, Connection, Integer, MetaData, String, Table, bindparam, event, insert, update
from sqlalchemy.exc import IntegrityError

from foundation.db import Database, later
from foundation.memory import Memory
from tests.foundation.database_world import SECONDS, Gate, create, stored
from tests.support.postgresql import Cluster

ENTRY = Table("entry", MetaData(), Column("id", Integer), Column("key", String), Column("position", Integer))
INSERT = insert(ENTRY)
MOVE = update(ENTRY).where(ENTRY.c.id == bindparam("its_id")).values(key=bindparam("key"))


class Overtaken(Exception):
    pass


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    url = f"sqlite:///{tmp_path}/test.sqlite3"
    if request.param == "postgresql":
        cluster: Cluster = request.getfixturevalue("postgresql")
        url = cluster.database()
    database = Database(url)
    create(database)
    yield database
    database.close()


def adding(number: int) -> Callable[[Connection], None]:
    return lambda connection: later(connection, INSERT, [{"id": number, "key": "", "position": 0}])


def moving(number: int) -> Callable[[Connection], None]:
    def unit(connection: Connection) -> None:
        row = {"its_id": number, "key": "moved"}
        later(connection, MOVE, [row], otherwise=Overtaken(f"entry {number}"))

    return unit


def test_a_statement_runs_once_for_a_whole_batch(database: Database) -> None:
    runs: list[bool] = []
    gate = Gate(database)
    event.listen(
        database.writer_engine,
        "before_cursor_execute",
        lambda _c, _cursor, statement, _p, _context, many: runs.append(many) if "entry" in statement else 0,
    )
    units = [database.write(adding(number)) for number in range(50)]
    gate.open()
    for unit in units:
        unit.result(SECONDS)
    assert runs == [True]
    assert stored(database) == list(range(50))


def test_a_row_that_clashes_costs_only_its_own_unit(database: Database) -> None:
    database.write(adding(1)).result(SECONDS)
    gate = Gate(database)
    first, clash, last = (database.write(adding(number)) for number in (0, 1, 2))
    gate.open()
    first.result(SECONDS)
    last.result(SECONDS)
    with pytest.raises(IntegrityError):
        clash.result(SECONDS)
    assert stored(database) == [0, 1, 2]


def test_i3_a_row_that_matches_nothing_raises_in_its_own_unit_only(database: Database) -> None:
    for number in (0, 2):
        database.write(adding(number)).result(SECONDS)
    gate = Gate(database)
    first, missing, last = (database.write(moving(number)) for number in range(3))
    gate.open()
    first.result(SECONDS)
    last.result(SECONDS)
    with pytest.raises(Overtaken, match="entry 1"):
        missing.result(SECONDS)


def test_what_failed_before_leaves_nothing_for_the_next_batch(database: Database) -> None:
    def unit(connection: Connection) -> None:
        adding(7)(connection)
        raise Overtaken("after it has written")

    with pytest.raises(Overtaken):
        database.write(unit).result(SECONDS)
    database.write(adding(8)).result(SECONDS)
    assert stored(database) == [8]


def test_memory_asks_again_after_its_seconds_and_never_keeps_a_nothing() -> None:
    answers, now, asked = {"carrier": "secret"}, [0.0], []

    def find(name: str) -> str | None:
        asked.append(name)
        return answers.get(name)

    memory = Memory(find, 2.0, clock=lambda: now[0])
    assert [memory(name) for name in ("carrier", "carrier", "nobody", "nobody")] == [
        "secret",
        "secret",
        None,
        None,
    ]
    assert asked == ["carrier", "nobody", "nobody"]
    answers["carrier"], now[0] = "rotated", 1.9
    assert memory("carrier") == "secret"
    now[0] = 2.0
    assert memory.known("carrier") is None
    assert memory("carrier") == "rotated"

"""Gathered work: one call for what stands side by side, an answer for each, in order, and nobody waits without need."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from foundation import db as db_module
from foundation.db import Database, DatabaseClosed
from tests.foundation.database_world import SECONDS, Gate, create, insert, stored

INSERT = text("INSERT INTO entry (id, key, position) VALUES (:id, '', 0)")


class Refused(Exception):
    pass


class Gathering:
    """Inserts numbers; odd hundreds are refused, and 13 spoils its batch."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []

    def work(self, connection: Connection, numbers: Sequence[int]) -> list[int | Exception]:
        self.calls.append(list(numbers))
        good = [number for number in numbers if number < 100]
        if 13 in numbers:
            raise RuntimeError("spoilt")
        connection.execute(INSERT, [{"id": number} for number in good])
        return [number * 2 if number < 100 else Refused(number) for number in numbers]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    found = Database(f"sqlite:///{tmp_path}/d.sqlite3")
    create(found)
    yield found
    found.close()


def test_units_side_by_side_are_one_call(database: Database) -> None:
    gathering, gate = Gathering(), Gate(database)
    futures = [database.gather(gathering.work, number) for number in (3, 1, 2)]
    gate.open()
    assert [future.result(SECONDS) for future in futures] == [6, 2, 4]
    assert gathering.calls == [[3, 1, 2]]
    assert stored(database) == [1, 2, 3]


def test_an_exception_is_its_items_alone(database: Database) -> None:
    gathering, gate = Gathering(), Gate(database)
    futures = [database.gather(gathering.work, number) for number in (1, 101, 2)]
    gate.open()
    assert isinstance(futures[1].exception(SECONDS), Refused)
    assert (futures[0].result(SECONDS), futures[2].result(SECONDS)) == (2, 4)
    assert gathering.calls == [[1, 101, 2]]


def test_who_spoils_the_batch_fails_alone(database: Database) -> None:
    gathering, gate = Gathering(), Gate(database)
    futures = [database.gather(gathering.work, number) for number in (1, 13, 2)]
    gate.open()
    assert isinstance(futures[1].exception(SECONDS), RuntimeError)
    assert (futures[0].result(SECONDS), futures[2].result(SECONDS)) == (2, 4)
    assert stored(database) == [1, 2]


def test_units_of_a_key_run_in_order_whatever_their_kind(database: Database) -> None:
    gathering, gate = Gathering(), Gate(database)
    gathered = [database.gather(gathering.work, 1), database.gather(gathering.work, 2)]
    alone = database.write(insert(50))
    gathered.append(database.gather(gathering.work, 3))
    gate.open()
    for future in gathered:
        future.result(SECONDS)
    assert alone.result(SECONDS) == 2  # of its key there were two before it
    assert gathering.calls == [[1, 2], [3]]


def test_work_that_forgets_an_answer_is_a_fault_of_ours(database: Database) -> None:
    def forgetful(_connection: Connection, _numbers: Sequence[int]) -> list[int | Exception]:
        return []

    assert isinstance(database.gather(forgetful, 1).exception(SECONDS), RuntimeError)


def test_other_work_does_not_wait_for_gathered_work(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a pause of a minute between two commits of gathered work, a unit of another kind takes it along."""
    monkeypatch.setattr(db_module, "LINGER", 60.0)
    gathering = Gathering()
    database.write(lambda _connection: None).result(SECONDS)  # a commit that has just been
    began = time.monotonic()
    waiting = database.gather(gathering.work, 1)
    database.write(insert(50)).result(SECONDS)
    assert waiting.result(SECONDS) == 2
    assert time.monotonic() - began < SECONDS


def test_closing_stores_what_lingers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(db_module, "LINGER", 60.0)
    database, gathering = Database(f"sqlite:///{tmp_path}/d.sqlite3"), Gathering()
    create(database)
    waiting = database.gather(gathering.work, 1)
    database.close()
    assert waiting.result(0) == 2
    with pytest.raises(DatabaseClosed):
        database.gather(gathering.work, 2)

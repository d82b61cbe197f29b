"""A table to write to, and a gate that holds its writer."""

import threading
from collections.abc import Callable

from sqlalchemy import Connection, text

from foundation.db import Database

SECONDS = 20


def create(database: Database) -> None:
    schema = "CREATE TABLE entry (id INTEGER PRIMARY KEY, key TEXT NOT NULL, position INTEGER NOT NULL)"
    database.write(lambda connection: connection.execute(text(schema))).result(SECONDS)


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

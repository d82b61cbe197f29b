"""Conferences and queues in a database, with calls that live at routers."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select

from callrouter import models
from foundation.db import Database
from foundation.sids import ACCOUNT, CALL, new_sid
from tests.support import tables

SECONDS = 10
HERE = "here"


class World:
    """One account's calls; `rows` are the outbox entries that units have answered with."""

    def __init__(self, database: Database) -> None:
        self.database, self.account_sid = database, new_sid(ACCOUNT)
        self.at = 1_000.0
        self.rows: list[dict[str, Any]] = []

    def call(self, owner: str = HERE) -> str:
        """A live call at that router."""
        sid = new_sid(CALL)
        row = {
            "account_sid": self.account_sid,
            "call_sid": sid,
            "snapshot": "{}",
            "version": 1,
            "owner": owner,
            "epoch": 1,
            "date_updated": self.at,
        }
        self.write(lambda c: c.execute(insert(models.Session).values(row)))
        return sid

    def gone(self, call_sid: str) -> None:
        """The call's session is no more."""
        table = models.Session.__table__
        self.write(lambda c: c.execute(table.delete().where(table.c.call_sid == call_sid)))  # type: ignore[attr-defined]

    def run(self, work: Callable[..., Any], owner: str = HERE, **details: Any) -> Any:
        """What a desk's function answers; its outbox entries are added to `rows`. A second passes."""
        self.at += 1
        result = self.write(lambda c: work(c, self.account_sid, owner, self.at, **details))
        answer, rows = result if isinstance(result, tuple) else (None, result)
        self.rows.extend(rows)
        assert {row.id for row in self.all(models.Outbox)} == {row["id"] for row in self.rows}  # I2
        return answer

    def write(self, unit: Callable[[Any], Any]) -> Any:
        return self.database.write(unit, self.account_sid).result(SECONDS)

    def all(self, model: Any) -> list[Any]:
        mine = select(model.__table__).where(model.account_sid == self.account_sid)
        with self.database.read() as connection:
            return list(connection.execute(mine))

    def told(self, call_sid: str) -> list[str]:
        """The events that a leg's call was told, by the entries' positions."""
        mine = [row for row in self.rows if row["lane"] == f"tell:{call_sid}"]
        ordered = sorted(mine, key=lambda row: row["position"])
        return [(row["payload"].get("event") or {}).get("type", row["payload"]["what"]) for row in ordered]

    def callbacks(self) -> list[dict[str, str]]:
        """Parameters of the status callbacks, by the entries' positions."""
        sent = sorted((r for r in self.rows if r["kind"] == "callback"), key=lambda row: row["position"])
        return [row["payload"]["parameters"] for row in sent]


def databases(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """One for a test, of the engine that the fixture's parameter names."""
    with ExitStack() as lent:
        if request.param == "sqlite":
            url = f"sqlite:///{tmp_path / 'router.sqlite3'}"
            tables.make(url, "callrouter")
        else:
            url = lent.enter_context(tables.lent(request.getfixturevalue("postgresql"), "callrouter"))
        database = Database(url, writers=3)
        yield database
        database.close()

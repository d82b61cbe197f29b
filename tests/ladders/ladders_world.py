"""An account's rows, written as they become visible."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from callrouter import models
from callrouter.ladders import feed
from foundation.db import Database
from tests.support import tables

ACCOUNT, OTHER = "AC" + "1" * 32, "AC" + "2" * 32
CALL, LEG, SECOND = (f"CA{digit * 32}" for digit in "123")


def databases(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """Of the engine that `request.param` names."""
    url = f"sqlite:///{tmp_path}/router.sqlite3"
    if request.param == "postgresql":
        url = str(request.getfixturevalue("postgresql").database())
    tables.make(url, "callrouter")
    database = Database(url)
    yield database
    database.close()


class Account:
    """What happens in it, and a reader of its feed."""

    def __init__(self, database: Database, cursor: str | None = None) -> None:
        self.database = database
        self.cursor = cursor or feed.beginning(0.0)
        self.positions: dict[str, int] = {}

    def store(self, model: Any, *rows: dict[str, Any]) -> None:
        self.database.write(lambda c: c.execute(insert(model), list(rows))).result(10)

    def call(self, sid: str = CALL, parent: str | None = None, **more: Any) -> None:
        row = {"account_sid": ACCOUNT, "sid": sid, "parent_call_sid": parent, "direction": "inbound"}
        ends = {"from": "+14155550100", "to": "+12125550123" if parent is None else "client:alice"}
        times = {"status": "in-progress", "date_created": 1.0, "date_updated": 1.0}
        self.store(models.Call, {**row, **ends, **times, **more})

    def line(self, at: float, sid: str = CALL, account: str = ACCOUNT, **more: Any) -> str:
        """The key of a new row of that call."""
        position = self.positions[sid] = self.positions.get(sid, -1) + 1
        row = {"account_sid": account, "call_sid": sid, "position": position, "at": at}
        told = {"source": "router", "target": "app", "summary": f"at {at}", "detail": {}}
        self.store(models.TimelineEntry, {**row, **told, **more})
        return f"{sid}.{position}"

    def note(self, at: float, code: int = 11200, text: str = "it answered 500", **more: Any) -> None:
        row = {"account_sid": ACCOUNT, "sid": f"NO{at:032.3f}", "call_sid": CALL, "message_date": at}
        said = {"log": "0", "error_code": str(code), "message_text": text, "request_url": "http://a.example/"}
        self.store(models.Notification, {**row, **said, **more})

    def delivery(self, at: float, name: str = "d.0", **more: Any) -> None:
        row = {"account_sid": ACCOUNT, "id": name, "call_sid": CALL, "kind": "document", "at": at}
        asked = {"method": "POST", "url": "http://a.example/", "parameters": {}, "duration_ms": 7}
        self.store(models.Delivery, {**row, **asked, "response_status": 200, **more})

    def read(self, call: str | None = None) -> list[dict[str, Any]]:
        """What is new since the last reading."""
        with self.database.read() as connection:
            items, self.cursor = feed.since(connection, ACCOUNT, self.cursor, call)
        return items

    def keys(self, call: str | None = None) -> list[str]:
        return [item["key"] for item in self.read(call)]

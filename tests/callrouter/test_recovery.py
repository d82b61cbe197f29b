"""A router that starts with calls of another release: those that it can't read end, the others go on."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gathering_world import HERE, World, databases
from sqlalchemy import insert, update
from step_history import History

from callrouter import models
from callrouter.calls.recovery import take_lease
from callrouter.calls.session import dumps
from foundation.db import Database

SNAPSHOT: dict[str, Any] = json.loads(dumps(History().session))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    class Sqlite:
        param = "sqlite"

    made: Iterator[Database] = databases(Sqlite(), tmp_path)  # type: ignore[arg-type]
    yield World(next(made))
    next(made, None)


def call(world: World, snapshot: dict[str, Any]) -> str:
    """A call in progress with this snapshot."""
    sid = world.call()
    row = {
        "account_sid": world.account_sid,
        "sid": sid,
        "direction": "inbound",
        "from": "+14155550100",
        "to": "+14155550101",
        "status": "in-progress",
        "date_created": 1.0,
        "date_updated": 1.0,
        "start_time": 1.0,
    }
    world.write(lambda c: c.execute(insert(models.Call.__table__).values(row)))
    mine = update(models.Session).where(models.Session.call_sid == sid)
    world.write(lambda c: c.execute(mine.values(snapshot=json.dumps(snapshot))))
    return sid


def changed(*path: str, **fields: Any) -> dict[str, Any]:
    """The snapshot with further fields in the part at this path."""
    snapshot = json.loads(json.dumps(SNAPSHOT))
    part = snapshot
    for name in path:
        part = part[name]
    part.update(fields)
    return dict(snapshot)


@pytest.mark.parametrize(
    "unreadable",
    [
        pytest.param(changed(schema=10_000), id="a later schema"),
        pytest.param(changed("programs", "", schema=10_000), id="a later schema of the language"),
        pytest.param({"schema": SNAPSHOT["schema"]}, id="fields that are missing"),
    ],
)
def test_a_call_that_can_not_be_read_ends_and_the_others_go_on(
    world: World, unreadable: dict[str, Any]
) -> None:
    """It ends as failed, with a notification that says why; the router starts (I6, I17)."""
    good, bad = call(world, SNAPSHOT), call(world, unreadable)
    found = world.write(lambda c: take_lease(c, HERE, 2_000.0))
    assert len(found.sessions) == 1
    assert [row.call_sid for row in world.all(models.Session)] == [good]
    ended = {row.sid: (row.status, row.ended_because) for row in world.all(models.Call)}
    assert ended == {good: ("in-progress", None), bad: ("failed", "unreadable")}
    (notification,) = world.all(models.Notification)
    assert notification.call_sid == bad

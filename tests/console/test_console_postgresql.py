"""Every page of the navigation is served on PostgreSQL too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from console_world import ConsoleWorld
from sqlalchemy import insert

from callrouter import models
from callrouter.console.blueprint import PAGES
from foundation.sids import CALL, new_sid
from tests.support.postgresql import Cluster

pytestmark = pytest.mark.postgresql

AWAY = ("/console/presence",)
"""Pages that ask another server, which does not run here."""


@pytest.fixture
def world(tmp_path: Path, postgresql: Cluster) -> Iterator[ConsoleWorld]:
    made = ConsoleWorld(tmp_path, url=postgresql.database())
    yield made
    made.close()


def test_all_pages(world: ConsoleWorld) -> None:
    sid, _ = world.account()
    now, operator = world.now.seconds, world.operator(sid)
    row = {
        "account_sid": sid,
        "sid": new_sid(CALL),
        "leg": "",
        "direction": "inbound",
        "from": "+1",
        "to": "+2",
    }
    row |= {"status": "completed", "queue_time": 0, "start_time": now, "end_time": now + 61}
    row |= {"date_created": now, "date_updated": now}
    world.write(lambda c: c.execute(insert(models.Call.__table__).values(row)))
    carrier = {
        "name": "acme",
        "control_url": "http://127.0.0.1:9000/acme",
        "message_rate": "0",
        "message_window": "1",
    }
    made = operator.post("/console/carriers", messages="on", **carrier)
    assert made.status_code == 200, made.text
    assert operator.post("/console/routes", carrier="acme", prefix="+", kind="sms").status_code == 303
    number = operator.post("/console/numbers", phone_number="+14155550199", carrier="acme").location
    service = operator.post("/console/services", friendly_name="News", validity_period="60").location
    for path in (
        *(one.path for one in PAGES if one.path),
        number,
        service,
        "/console/routes?to=%2B14155550100",
    ):
        if path not in AWAY:
            operator.get(path)
    ladder = f"/console/calls/{row['sid']}/ladder.json"
    asked = operator.json(ladder)
    assert operator.json(f"{ladder}?after={asked['cursor']}") == {"cursor": asked["cursor"], "live": False}
    for path in ("calls/%00", "messages/%00/ladder.txt", "requests/%00", "ladder/%00.json"):
        operator.get(f"/console/{path}", 400)
    assert operator.post("/console/requests/replay", id="\0").status_code == 400
    for hostile in ("\0", "\x01", "x" * 1000):
        assert operator.post("/console/numbers", phone_number=hostile).status_code == 400
        assert operator.post("/console/applications", voice_url=hostile).status_code == 400
        operator.get(f"/console/numbers?find={quote(hostile)}x", 400)
    assert operator.post("/console/applications", friendly_name="a\0b").status_code == 400
    assert "1 calls in all" in operator.get("/console/usage")

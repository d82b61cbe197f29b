"""Who is left in a conference or a queue without a call is taken out (I6; callrouter.calls.sweeping)."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from gathering_world import HERE, World, databases
from sqlalchemy import insert, update

from callrouter import models
from callrouter.calls.engine import Engine
from callrouter.calls.sweeping import GRACE_SECONDS, RECORDING_SECONDS, Sweep
from callrouter.conferences import desk as conferences
from callrouter.conferences.meeting import Settings
from callrouter.conferences.rules import Participant
from callrouter.queues import desk as queues
from callrouter.queues.rules import Member
from foundation.db import Database
from foundation.sids import RECORDING, new_sid


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    class Sqlite:
        param = "sqlite"

    made: Iterator[Database] = databases(Sqlite(), tmp_path)  # type: ignore[arg-type]
    yield World(next(made))
    next(made, None)


def sweep(world: World, later: float) -> list[dict[str, Any]]:
    """Sweeps so many seconds later; the entries that were handed on."""
    engine = Engine(world.database, lambda: datetime.fromtimestamp(world.at + later, UTC), HERE)
    rows: list[dict[str, Any]] = []
    engine.carry_out = rows.extend
    asyncio.run(Sweep(engine, world.database).sweep())
    return rows


def join(world: World, call_sid: str) -> None:
    newcomer = Participant(call_sid=call_sid, session_sid=call_sid, leg="", ticket="t")
    world.run(conferences.join, name="team", settings=Settings(), newcomer=newcomer, most=9)


def test_who_has_no_call_is_taken_out_and_the_others_stay(world: World) -> None:
    alive, dead = world.call(), world.call()
    join(world, dead)
    join(world, alive)
    world.gone(dead)
    assert sweep(world, GRACE_SECONDS - 2) == []
    assert len(world.all(models.Participant)) == 2
    sweep(world, GRACE_SECONDS + 2)
    assert [row.call_sid for row in world.all(models.Participant)] == [alive]
    world.gone(alive)
    sweep(world, GRACE_SECONDS + 2)
    (conference,) = world.all(models.Conference)
    assert (conference.status, conference.reason_ended) == ("completed", "last-participant-left")


def test_a_caller_whose_agent_has_no_call_waits_again(world: World) -> None:
    caller, agent = world.call(), world.call()
    first = Member(call_sid=caller, session_sid=caller, leg="", ticket="t")
    second = Member(call_sid=agent, session_sid=agent, leg="", ticket="t", agent=True)
    world.run(queues.join, name="support", max_size=None, newcomer=first)
    world.run(queues.take, name="support", agent=second)
    world.gone(agent)
    rows = sweep(world, GRACE_SECONDS + 2)
    assert [row["payload"]["event"]["type"] for row in rows] == ["QueueParted"]
    assert [row.call_sid for row in world.all(models.QueueMember)] == [caller]


def test_a_recording_whose_node_is_lost_is_absent(world: World) -> None:
    caller = world.call()
    join(world, caller)
    (conference,) = world.all(models.Conference)
    sid = new_sid(RECORDING)
    row = {
        "account_sid": world.account_sid,
        "sid": sid,
        "call_sid": caller,
        "conference_sid": conference.sid,
        "source": "Conference",
        "track": "both",
        "channels": 1,
        "status": "in-progress",
        "start_time": world.at,
        "callback_method": "POST",
        "callback_events": "",
        "date_created": world.at,
        "date_updated": world.at,
    }
    world.write(lambda c: c.execute(insert(models.Recording).values(row)))
    sweep(world, RECORDING_SECONDS + 9)
    assert [one.status for one in world.all(models.Recording)] == ["in-progress"]  # it may go on for hours
    over = update(models.Conference).values(status="completed", live_name=None)
    world.write(lambda c: c.execute(over))
    sweep(world, RECORDING_SECONDS + 9)
    assert [one.status for one in world.all(models.Recording)] == ["absent"]

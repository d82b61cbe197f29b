"""Queues in the database (callrouter.queues.desk and standing), in both engines."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gathering_world import HERE, World, databases

from callrouter import models
from callrouter.queues import desk
from callrouter.queues.rules import Member
from callrouter.queues.standing import parameters, standing
from foundation.db import Database


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    yield from databases(request, tmp_path)


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


def member(call_sid: str, ticket: str = "t1", **details: Any) -> Member:
    return Member(call_sid=call_sid, session_sid=call_sid, leg="", ticket=ticket, **details)


def join(world: World, call_sid: str, *, max_size: int | None = None, ticket: str = "t1") -> Any:
    return world.run(desk.join, name="support", max_size=max_size, newcomer=member(call_sid, ticket))


def take(world: World, call_sid: str, *, owner: str = HERE, ticket: str = "t1") -> Any:
    agent = member(call_sid, ticket, agent=True, url="https://app.test/agent")
    return world.run(desk.take, owner=owner, name="support", agent=agent)


def connect(world: World, call_sid: str) -> Any:
    return world.run(desk.connect, call_sid=call_sid, ticket="t1")


def leave(world: World, call_sid: str, ticket: str = "t1") -> None:
    world.run(desk.leave, call_sid=call_sid, ticket=ticket)


def queue_sid(world: World) -> str:
    (row,) = world.all(models.Queue)
    return str(row.sid)


def test_from_waiting_to_parting(world: World) -> None:
    caller, agent = world.call(), world.call()
    joined = join(world, caller)
    assert joined["event"] == {"type": "QueueJoined", "at": world.at, "queue_sid": queue_sid(world)}
    assert take(world, agent) is None
    assert world.told(caller) == ["QueueTaken"]
    assert world.told(agent) == ["QueueFound"]
    taken = world.rows[-1]["payload"]["event"]
    assert (taken["url"], taken["by"]) == ("https://app.test/agent", agent)
    connect(world, caller)
    assert world.told(caller) == ["QueueTaken", "QueueBridged"]
    assert world.told(agent) == ["QueueFound", "QueueBridged"]
    leave(world, caller)
    assert world.told(agent) == ["QueueFound", "QueueBridged", "QueueParted"]
    assert world.all(models.QueueMember) == []
    assert len(world.all(models.Queue)) == 1


def test_an_entry_that_runs_twice_changes_nothing_more(world: World) -> None:
    """I7: after a crash the same entry may run again."""
    caller, agent = world.call(), world.call()
    join(world, caller)
    assert join(world, caller)["event"]["type"] == "QueueJoined"
    take(world, agent)
    take(world, agent)
    connect(world, caller)
    connect(world, caller)
    assert world.told(caller) == ["QueueTaken", "QueueBridged"]
    assert world.told(agent) == ["QueueFound", "QueueBridged"]
    leave(world, caller, ticket="another")
    assert len(world.all(models.QueueMember)) == 2


def test_who_is_left_by_an_agent_has_been_told_of_it(world: World) -> None:
    """I6: though the router died between connecting them and telling so, and the agent hung up meanwhile."""
    caller, agent = world.call(), world.call()
    join(world, caller)
    take(world, agent)
    connect(world, caller)
    leave(world, agent)
    connect(world, caller)
    assert world.told(caller) == ["QueueTaken", "QueueBridged", "QueueParted"]
    assert world.all(models.QueueMember) == []


def test_a_full_queue_and_a_missing_one(world: World) -> None:
    assert take(world, world.call())["event"]["type"] == "QueueMissing"
    join(world, world.call())
    refused = join(world, world.call(), max_size=1)
    assert refused["event"] == {"type": "QueueRefused", "at": world.at, "queue_sid": queue_sid(world)}
    assert join(world, world.call(), max_size=2)["event"]["type"] == "QueueJoined"


def test_only_calls_of_one_router_are_matched(world: World) -> None:
    """Their audio is at one voice node."""
    join(world, world.call())
    agent = world.call("there")
    assert take(world, agent, owner="there") is None
    assert world.rows == []


def test_who_joins_again_has_left_before(world: World) -> None:
    caller, agent = world.call(), world.call()
    join(world, caller)
    take(world, agent)
    join(world, caller, ticket="t2")
    (row,) = [row for row in world.all(models.QueueMember) if row.call_sid == caller]
    assert (row.ticket, row.partner) == ("t2", agent)


def test_rest_takes_out_who_is_named_or_at_the_front(world: World) -> None:
    a, b, c = world.call(), world.call(), world.call()
    for one in (a, b, c):
        join(world, one)
    sid = queue_sid(world)
    asked = {"queue_sid": sid, "url": "https://app.test/new", "method": "GET"}
    assert world.run(desk.dequeue, call_sid=b, **asked).call_sid == b
    assert world.run(desk.dequeue, call_sid=None, **asked).call_sid == a
    assert world.run(desk.dequeue, call_sid=a, **asked) is None
    assert world.told(a) == ["document"]
    payload = world.rows[-1]["payload"]
    assert (payload["url"], payload["method"]) == ("https://app.test/new", "GET")
    take(world, world.call())
    assert world.run(desk.dequeue, call_sid=None, **asked) is None  # c is about to be connected
    assert world.run(desk.dequeue, call_sid=c, **asked).call_sid == c


def test_keys_go_to_the_other_call(world: World) -> None:
    caller, agent = world.call(), world.call()
    join(world, caller)
    take(world, agent)
    world.run(desk.press, call_sid=agent, digits="1")
    connect(world, caller)
    world.run(desk.press, call_sid=agent, digits="2")
    pressed = [row["payload"].get("digits") for row in world.rows if row["lane"] == f"tell:{caller}"]
    assert pressed == [None, None, "2"]


@pytest.mark.parametrize("seed", range(3))
def test_any_history_keeps_pairs_whole_and_nobody_waits_in_vain(world: World, seed: int) -> None:
    """The desk reads only whom a change may concern: the rules must hold for all the same."""
    chance = random.Random(seed)
    callers, agents = [world.call() for _ in range(5)], [world.call() for _ in range(4)]
    join(world, callers[0])
    for _ in range(60):
        one = chance.choice(callers + agents)
        there = {row.call_sid: row for row in world.all(models.QueueMember)}
        match chance.choice(["come", "come", "leave", "connect"]):
            case "come" if one not in there:
                (join if one in callers else take)(world, one)
            case "leave":
                leave(world, one)
            case "connect" if one in callers:
                connect(world, one)
        rows = {row.call_sid: row for row in world.all(models.QueueMember)}
        for row in rows.values():
            if row.partner:
                other = rows[row.partner]
                assert (other.partner, other.connected) == (row.call_sid, row.connected)
                assert other.agent != row.agent
        waiting = sorted((r for r in rows.values() if not r.partner), key=lambda r: r.date_enqueued)
        assert len({row.agent for row in waiting}) <= 1, "a caller and an agent both wait"


def test_how_a_queue_stands(world: World) -> None:
    a, b = world.call(), world.call()
    join(world, a)  # at 1001
    join(world, b)  # at 1002
    with world.database.read() as connection:
        stands = standing(connection, world.account_sid, queue_sid(world), 1_010.0)
        told = parameters(connection, world.account_sid, b, 1_010.0)
        assert parameters(connection, world.account_sid, "CA0", 1_010.0) == {}
    assert (stands.size, stands.average) == (2, 8)
    assert told == {
        "QueueSid": queue_sid(world),
        "QueuePosition": "2",
        "QueueTime": "8",
        "AvgQueueTime": "8",
        "CurrentQueueSize": "2",
        "MaxQueueSize": "1000",
    }

"""The operator's routes and queues on the command line (MR-1, MR-10, PQ-3, PQ-11)."""

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import insert, update

from callrouter import models
from callrouter.cli import main
from foundation.db import Database
from tests.messages.routes_world import World

Run = Callable[..., Any]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `callrouter carrier`: what it printed as JSON; or the error text, for another exit code."""
    for name in [name for name in os.environ if name.startswith("CALLROUTER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("CALLROUTER_DATA_DIR", str(tmp_path))

    def run(*command: str, group: str = "carrier", exit_code: int = 0) -> Any:
        result = CliRunner().invoke(main, [group, *command, "--json"])
        assert result.exit_code == exit_code, result.output
        return json.loads(result.stdout) if exit_code == 0 else result.stderr

    run("upgrade", group="db")
    run("create", "Acme", group="account")
    return run


@pytest.fixture
def live(run: Run, tmp_path: Path) -> Iterator[World]:
    """Messages on the same database."""
    database = Database(f"sqlite:///{tmp_path / 'router.sqlite3'}")
    world = World(database)
    world.now = time.time()
    yield world
    database.close()


def create(run: Run, name: str, *settings: str) -> Any:
    return run("create", name, "--control-url", "http://localhost:9000/", *settings)


def test_a_carriers_messages(run: Run) -> None:
    """PQ-3: whether, how fast and how many at once."""
    made = create(run, "a")
    assert (made["messages"], made["message_rate"], made["message_window"]) == (True, 0.0, 10)
    made = create(run, "b", "--no-messages", "--message-rate", "2.5", "--message-window", "3")
    assert (made["messages"], made["message_rate"], made["message_window"]) == (False, 2.5, 3)
    made = run("update", "b", "--messages", "--message-rate", "0")
    assert (made["messages"], made["message_rate"], made["message_window"]) == (True, 0.0, 3)
    for wrong in (
        ("--message-rate", "-1"),
        ("--message-rate", "nan"),
        ("--message-window", "0"),
        ("--message-window", "1001"),
        ("--cost", "-1"),
    ):
        assert "Error" in run("update", "b", *wrong, exit_code=1)
    assert "clients" in run("create", "presence", "--control-url", "http://localhost:9000/", exit_code=1)


def test_routes_are_made_and_marked(run: Run) -> None:
    """MR-1, MR-10."""
    create(run, "a", "--cost", "0.01")
    create(run, "b")
    assert [(one["carrier"], one["prefix"], one["kind"], one["cost"]) for one in run("routes")] == [
        ("a", "+", "mms", 0.01),
        ("a", "+", "sms", 0.01),
    ]
    assert [one["out"] for one in run("routes", "--to", "+447700900123")] == [None, "no route"]
    assert run("route", "b", "+44", "--cost", "0.02", "--weight", "3")["weight"] == 3
    assert run("route", "b", "+44", "--disable")["state"] == "disabled"
    assert run("route", "b", "+44", "--enable")["cost"] == 0.02
    assert {one["state"] for one in run("pin", "b", "+44")} == {"pinned"}
    assert run("routes", "--to", "+447700900123")[0]["carrier"] == "b"
    assert run("unpin", "b", "+44")["released"] in ("sms mms", "mms sms")
    states = {(one["carrier"], one["prefix"], one["kind"]): one["state"] for one in run("routes")}
    assert states == {
        ("a", "+", "mms"): "enabled",
        ("a", "+", "sms"): "enabled",
        ("b", "+44", "sms"): "enabled",
    }
    run("ban", "a", "--kind", "sms")
    assert {one["carrier"]: one["out"] for one in run("routes", "--to", "+447700900123")} == {
        "b": None,
        "a": "the route is banned",
    }
    run("unban", "a")
    assert run("route", "b", "+44", "--delete") == {"deleted": "b +44 sms"}
    for wrong in (("pin", "nobody"), ("pin", "a", "44"), ("unban", "b"), ("route", "b", "+44", "--delete")):
        assert run(*wrong, exit_code=1).startswith("Error: ")


def test_a_ban_that_is_over_leaves_no_route_behind(run: Run) -> None:
    create(run, "a")
    create(run, "b")
    run("ban", "a", "+44")
    run("unban", "a", "+44")
    assert run("routes") == []
    assert {one["out"] for one in run("routes", "--to", "+447700900123")} == {None}


def test_who_gets_no_messages_any_more_is_said(run: Run) -> None:
    """A route for one carrier is none for the others."""
    create(run, "a")
    create(run, "b")
    result = CliRunner().invoke(main, ["carrier", "route", "a", "+"])
    assert result.stderr == "Note: there are routes, but none of b: see `carrier route`\n"
    assert CliRunner().invoke(main, ["carrier", "route", "b", "+"]).stderr == ""


def test_queues(run: Run, live: World) -> None:
    """PQ-11: depth, oldest age, rates, conversion and breaker; per account too."""
    create(run, "a")
    create(run, "b")
    other = live.new_account()
    live.report("a", live.sent("a", to="+447700900001"), "delivered")
    live.report("a", live.sent("a", to="+447700900002"), "undelivered")
    live.now -= 60
    unsure = live.queued("a", to="+447700900003")
    given = update(models.QueuedMessage).where(models.QueuedMessage.message_sid == unsure).values(attempts=1)
    sending = update(models.Message).where(models.Message.sid == unsure).values(status="sending")
    live.write(lambda c: [c.execute(one) for one in (given, sending)])
    live.queued("a", to="+447700900004", num_segments=3, account=other)
    live.now += 60
    health = {
        "carrier": "b",
        "breaker": "open",
        "failures": 9,
        "opened_at": live.now + 3600,
        "date_updated": live.now,
    }
    live.write(lambda c: c.execute(insert(models.CarrierHealth).values(health)))
    queues = {one["carrier"]: one for one in run("queue")}
    assert list(queues) == ["a", "b", "presence"]
    a = queues["a"]
    assert (a["depth"], a["segments"], a["leased"], a["conversion"]) == (2, 4, 0, 0.5)
    assert 60 <= a["oldest"] < 120
    assert (a["doubtful"], queues["b"]["doubtful"]) == (1, 0)
    assert (queues["b"]["breaker"], queues["b"]["depth"], queues["b"]["conversion"]) == ("open", 0, None)
    by_account = {one["account_sid"]: one["segments"] for one in run("queue", "a", "--accounts")}
    assert by_account == {live.account: 1, other: 3}
    assert [one["carrier"] for one in run("queue", "b")] == ["b"]
    routes = run("routes")
    assert (routes[0]["prefix"], routes[0]["sent"], routes[0]["conversion"]) == ("+44", 2, 0.5)


def test_queues_are_watched(run: Run) -> None:
    create(run, "a")
    result = CliRunner().invoke(main, ["carrier", "queue", "a", "--watch", "0.1", "--times", "3"])
    assert result.stdout.count("conversion  breaker") == 3
    assert result.exit_code == 0


def test_a_carrier_with_messages_in_its_queue_stays(run: Run, live: World) -> None:
    create(run, "a")
    live.queued("a")
    assert "wait in the queue" in run("delete", "a", exit_code=1)
    assert run("show", "a")["name"] == "a"

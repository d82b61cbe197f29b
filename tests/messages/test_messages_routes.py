"""Which carrier a message is given to: the operator's routes, the evidence, and why (MR-1, MR-6, MR-7, MR-10, PQ-2)."""

from typing import Any

import pytest
from sqlalchemy import insert, update

from callrouter import models
from callrouter.directory.errors import Missing, Refused
from callrouter.messages.routing import choose as choosing
from callrouter.messages.routing import operator, routes
from callrouter.messages.routing.routes import Kind, RouteState
from foundation.settings import Settings
from tests.messages.routes_world import PHONE, World, routes_database, world

__all__ = ["routes_database", "world"]


def put(world: World, carrier: str, prefix: str, kind: Kind = Kind.SMS, **details: Any) -> Any:
    return world.write(lambda c: routes.put(c, carrier, prefix, kind, world.now, **details))


def usable(decision: Any) -> list[str]:
    return sorted(one["carrier"] for one in decision.considered if "out" not in one)


def outs(decision: Any) -> dict[str, str]:
    return {one["carrier"]: one["out"] for one in decision.considered if "out" in one}


def test_without_routes(world: World) -> None:
    """The number's own carrier, else all active ones that take messages."""
    assert (world.choose().carrier, world.choose().reason) == ("", "none")
    world.carrier("a")
    world.carrier("mute", messages=False)
    only = world.choose()
    assert (only.carrier, only.reason, only.prefix) == ("a", "only", "+44")
    assert outs(only) == {"mute": "the carrier takes no messages"}
    world.carrier("b")
    assert usable(world.choose()) == ["a", "b"]
    assert {world.choose(at=0.1).carrier, world.choose(at=0.9).carrier} == {"a", "b"}
    own = world.choose(preferred="b")
    assert (own.carrier, own.reason) == ("b", "number")
    assert world.choose(preferred="mute").reason == "best"
    tried = world.choose(preferred="b", avoid=("b",))
    assert (tried.carrier, outs(tried)["b"]) == ("a", "it was tried")
    assert world.choose(avoid=("a", "b")).carrier == ""


def test_the_most_specific_route_of_each_carrier_counts(world: World) -> None:
    """MR-1: several carriers per prefix; each competes by its longest prefix that fits."""
    for name in ("a", "b", "c"):
        world.carrier(name)
    put(world, "a", "+", cost=0.5)
    put(world, "b", "+44", cost=0.4)
    put(world, "b", "+4477", cost=0.6)
    put(world, "b", "+4477", Kind.MMS)
    found = world.choose()
    assert [(one["carrier"], one["route"], one["cost"]) for one in found.considered if "out" not in one] == [
        ("a", "+", 0.5),
        ("b", "+4477", 0.6),
    ]
    assert outs(found) == {"c": "no route"}
    assert (found.carrier, found.prefix) == ("b", "+4477"), "by chance, so that b becomes known"
    assert world.choose(at=0).carrier == "a"
    assert usable(world.choose("+12125550123")) == ["a"]
    assert usable(world.choose(kind="mms")) == ["b"]
    put(world, "b", "+447700", state=RouteState.DISABLED)
    assert usable(world.choose()) == ["a"]
    assert outs(world.choose())["b"] == "the route is disabled"


def test_pin_and_ban(world: World) -> None:
    """MR-10: where a route is pinned only such compete; a banned one gets nothing, also without other routes."""
    world.carrier("a")
    world.carrier("b")
    put(world, "a", "+", state=RouteState.BANNED)
    banned = world.choose()
    assert (banned.carrier, outs(banned)) == ("b", {"a": "the route is banned"})
    put(world, "a", "+44", state=RouteState.PINNED)
    pinned = world.choose()
    assert (pinned.carrier, pinned.reason, usable(pinned)) == ("a", "pinned", ["a"])
    assert world.choose(avoid=("a",)).carrier == "", "the operator wanted no other"
    put(world, "a", "+44", state=RouteState.ENABLED)
    assert world.choose(avoid=("a",)).carrier == ""


UNFIT: list[tuple[str, str, dict[str, float]]] = [
    ("a", "44", {}),
    ("a", "+0", {}),
    ("a", "+1234567890123456", {}),
    ("a", "+４４", {}),
    ("a", "", {}),
    ("a", "+44", {"cost": -1.0}),
    ("a", "+44", {"cost": float("nan")}),
    ("a", "+44", {"cost": float("inf")}),
    ("a", "+44", {"weight": 0.0}),
    ("a", "+44", {"weight": float("nan")}),
    ("a", "+44", {"weight": 1e9}),
    ("nobody", "+44", {}),
]


def test_routes_that_will_not_do(world: World) -> None:
    world.carrier("a")
    for carrier, prefix, details in UNFIT:
        with pytest.raises(Refused):
            put(world, carrier, prefix, **details)
    with world.database.read() as connection:
        assert routes.listed(connection) == []


def test_a_route_is_removed(world: World) -> None:
    world.carrier("a")
    world.carrier("b")
    put(world, "a", "+44")
    world.write(lambda c: routes.remove(c, "a", "+44", Kind.SMS))
    assert usable(world.choose()) == ["a", "b"]
    with pytest.raises(Missing):
        world.write(lambda c: routes.remove(c, "a", "+44", Kind.SMS))


def test_a_decision_shows_what_it_was_made_from(world: World) -> None:
    """MR-10, I17: every number that the rule uses."""
    world.carrier("a")
    world.carrier("b")
    for _ in range(9):
        sid = world.sent("a")
        world.now += 2
        world.report("a", sid, "delivered")
    world.report("a", world.sent("a"), "undelivered")
    decision = world.choose(at=0)
    first = decision.considered[0]
    assert (decision.carrier, decision.reason, decision.prefix) == ("a", "best", "+44")
    assert (first["carrier"], first["outcomes"], first["delivered"]) == ("a", 10, 9)
    assert (first["rate"], first["latency"], first["wait"]) == (0.8, 2.0, 0.0)
    assert first["share"] == pytest.approx(0.95)
    assert world.choose(at=0.97).reason == "explored"
    assert {one["share"] for one in world.choose(explore=False).considered} == {1.0, 0.0}
    assert world.choose("+12125550123").considered[0]["outcomes"] == 0, (
        "another destination is another matter"
    )
    assert world.choose(kind="mms").considered[0]["outcomes"] == 0


def test_a_carrier_that_is_down_is_only_tried(world: World) -> None:
    """PQ-8."""
    world.carrier("a")
    world.carrier("b")
    health = {
        "carrier": "a",
        "breaker": "open",
        "failures": 9,
        "opened_at": world.now,
        "date_updated": world.now,
    }
    world.write(lambda c: c.execute(insert(models.CarrierHealth).values(health)))
    assert world.choose(at=0).carrier == "b"
    assert world.choose(preferred="a", at=0).carrier == "b"
    assert world.choose(at=0.999).reason == "explored"
    world.write(lambda c: c.execute(update(models.CarrierHealth).values(breaker="closed", failures=0)))
    assert world.choose(preferred="a").carrier == "a"


def test_a_backlog_makes_a_route_wait(world: World) -> None:
    """PQ-2: expected wait is backlog over the measured rate; half measured, it is half assumed."""
    world.carrier("a", message_window=1)
    world.carrier("b")
    world.queued("a")
    health = {"carrier": "a", "taken": 0.5, "depth": 400, "date_updated": world.now}
    world.write(lambda c: c.execute(insert(models.CarrierHealth).values(health)))
    fresh = {one["carrier"]: one["wait"] for one in world.choose().considered}
    assert fresh == {"a": pytest.approx(400 / 1.5, abs=0.1), "b": 0}
    assert world.choose(at=0).carrier == "b"
    world.now += 300
    stale = next(one for one in world.choose().considered if one["carrier"] == "a")
    assert stale["wait"] == 4000, "it has stood still since"


DESTINATIONS = {
    PHONE: "+44",
    "+12125550123": "+1",
    "+35312345678": "+353",
    "+99912345678": "+",
    "72999": "+",
    "": "+",
    "+": "+",
    "+４４７７": "+",
    "whatsapp:+1": "+",
}


def test_every_address_has_a_destination(world: World) -> None:
    world.carrier("a")
    for to, prefix in DESTINATIONS.items():
        decision = world.choose(to)
        assert (decision.carrier, decision.prefix) == ("a", prefix)


def test_nobody_is_moved_by_one_other_account(world: World) -> None:
    """MR-9: a fifth of the evidence at most is another's, and a subaccount is its owner."""
    world.carrier("a")
    other = world.new_account()
    helper = world.new_account(other)
    for account in (other, helper):
        for _ in range(30):
            world.report("a", world.sent("a", account=account), "undelivered")
    own = world.choose().considered[0]
    assert own["outcomes"] == pytest.approx(2.5, abs=0.05)
    assert own["rate"] > 0.55
    assert world.choose(account=helper).considered[0]["outcomes"] == 60


def test_mr7_the_operator_says_how_much_is_explored(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """`least` of the rule is CALLROUTER_MESSAGE_EXPLORATION; 0 forbids it."""
    for name in ("dear", "cheap"):
        world.carrier(name)
    put(world, "dear", "+", cost=2.0)
    put(world, "cheap", "+", cost=1.0)
    shares = []
    for settings in (Settings(), Settings(message_exploration=0.2), Settings(message_exploration=0.0)):
        monkeypatch.setattr(operator, "wishes", operator.Wishes())
        operator.follow(settings)
        monkeypatch.setattr(choosing, "wishes", operator.wishes)
        (one,) = (one for one in world.choose().considered if one["carrier"] == "dear")
        shares.append(one["share"])
    assert shares == [pytest.approx(0.075, abs=0.001), 0.2, 0.0]

"""When no carrier can be reached at all, such as when our own line is down, and then some can again (PQ-7, PQ-8)."""

import asyncio
from collections import Counter
from collections.abc import Iterator

import pytest
from queue_world import ENGINES, QueueWorld, databases

from callrouter import models
from callrouter.messages.queue import health
from callrouter.messages.queue.breaker import FAILURES
from callrouter.messages.queue.moving import Moving
from foundation.db import Database

THREE = ("one", "three", "two")


@pytest.fixture(scope="module", params=ENGINES)
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    yield from databases(request, tmp_path_factory.mktemp("outage"))


def noted(world: QueueWorld, carrier: str, *, worked: bool) -> None:
    world.write(lambda c: health.note(c, carrier, worked=worked, now=world.at), " carrier")


def waiting(world: QueueWorld) -> Counter[str]:
    return Counter(row.carrier for row in world.all(models.QueuedMessage))


def moved(world: QueueWorld, seconds: int) -> None:
    """The round of each of so many seconds."""

    async def rounds() -> None:
        moving = Moving(world.desk, lambda: None)
        for _ in range(seconds):
            world.at += 1.0
            await moving.move()

    asyncio.run(rounds())


def test_pq7_nothing_is_moved_to_a_carrier_that_is_down_too(database: Database) -> None:
    world = QueueWorld(database)
    account = world.account()
    number = world.number(account)
    for carrier in THREE:
        world.carrier(carrier)
    for phone in range(30):
        world.send(account, number, f"+4477009{phone:05}")
    before = waiting(world)
    for carrier in THREE:
        for _ in range(FAILURES):
            noted(world, carrier, worked=False)
    moved(world, 10)
    assert waiting(world) == before
    for carrier in ("one", "two"):
        noted(world, carrier, worked=True)
    moved(world, 3)
    assert waiting(world)["three"] == 0
    assert waiting(world).total() == 30


def test_pq7_the_first_carrier_takes_them_again_when_the_second_fails_later(database: Database) -> None:
    world = QueueWorld(database)
    account = world.account()
    number = world.number(account)
    for carrier in ("one", "two"):
        world.carrier(carrier)
    sid = world.send(account, number)
    first = world.queued(sid).carrier
    second = "two" if first == "one" else "one"
    for failing, other in ((first, second), (second, first)):
        for _ in range(FAILURES):
            noted(world, failing, worked=False)
        moved(world, 5)
        assert world.queued(sid).carrier == other
        noted(world, failing, worked=True)
    assert world.taken(first) == [sid]

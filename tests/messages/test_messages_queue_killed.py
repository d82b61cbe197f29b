"""Senders that are killed (kill -9) at each step of a hand-off, and three carriers of which one dies (OM4 to OM8).

What must hold at the end: no message is lost, none was accepted twice unless it is marked `possible_duplicate`, and
each pair's messages were accepted in their order.
"""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from queue_world import ENGINES, QueueWorld, databases, until

from callrouter import models
from callrouter.messages.front import Messages
from callrouter.messages.transport import Outgoing, Taken, Unavailable
from foundation.db import Database
from tests.support.origin import Origin, Received, Script, reply

WORKER = Path(__file__).parent / "queue_worker.py"
ENDS = ("sent", "delivered")


@pytest.fixture(scope="module", params=ENGINES)
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    yield from databases(request, tmp_path_factory.mktemp("killed"))


@pytest.fixture
def world(database: Database) -> QueueWorld:
    world = QueueWorld(database)
    world.now = time.time  # type: ignore[method-assign]
    world.at = world.now()
    return world


class Ledger:
    """What carriers accepted, in the order in which they did, each id once per carrier."""

    def __init__(self) -> None:
        self.accepted: list[tuple[str, Mapping[str, Any]]] = []
        self._known: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    def accept(self, carrier: str, message: Mapping[str, Any]) -> None:
        with self._lock:
            if (carrier, message["id"]) not in self._known:
                self._known.add((carrier, message["id"]))
                self.accepted.append((carrier, message))

    def check(self, world: QueueWorld, sids: list[str]) -> Counter[str]:
        """The three promises; how many messages were sent by which carrier, and `twice`."""
        rows = {row.sid: row for row in world.all(models.Message)}
        times = Counter(message["id"] for _, message in self.accepted)
        assert {sid for sid in sids if rows[sid].status not in ENDS} == set()
        assert {sid for sid in sids if not times[sid]} == set()
        twice = {sid for sid, count in times.items() if count > 1}
        assert {sid for sid in twice if not rows[sid].possible_duplicate} == set()
        first: dict[str, int] = {}
        pairs: dict[tuple[str, str], list[int]] = {}
        for place, (_, message) in enumerate(self.accepted):
            if first.setdefault(message["id"], place) == place:
                pairs.setdefault((message["from"], message["to"]), []).append(int(message["body"]))
        assert [bodies for bodies in pairs.values() if bodies != sorted(bodies)] == []
        shares = Counter(rows[sid].carrier for sid in sids)
        return shares + Counter(twice=len(twice))


def many(world: QueueWorld, count: int, *, pairs: int, accounts: int = 1) -> list[str]:
    """Messages of the accounts, to as many phones, numbered in the order of their coming."""
    numbers = [(account, world.number(account)) for account in (world.account() for _ in range(accounts))]
    sids = []
    for n in range(count):
        account, number = numbers[n % accounts]
        sids.append(world.send(account, number, f"+4477009{n // accounts % pairs:05}", body=str(n)))
    return sids


# -- processes killed


@contextmanager
def worker(world: QueueWorld, name: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that sends; at the end it is told to stop, and must."""
    url = world.database.url
    process = subprocess.Popen(
        [sys.executable, str(WORKER), url, name],
        stdin=subprocess.PIPE,
        env={**os.environ, **environment},
    )
    try:
        yield process
    finally:
        if process.stdin:
            process.stdin.close()
        process.wait(30)


@contextmanager
def gateway(ledger: Ledger) -> Iterator[Origin]:
    def take(request: Received) -> Script:
        ledger.accept("c", json.loads(request.body))
        return reply(202, b"{}")

    with closing(Origin(take)) as origin:
        yield origin


@pytest.mark.kill
@pytest.mark.parametrize("turn", [1, 4])
@pytest.mark.parametrize("point", ["OM4", "OM5", "OM7", "OM8"])
async def test_om4_to_om8_a_kill_loses_nothing_and_doubles_nothing_unmarked(
    world: QueueWorld, point: str, turn: int
) -> None:
    ledger = Ledger()
    with gateway(ledger) as origin:
        world.carrier("c", url=origin.url(), window=3)
        sids = many(world, 12, pairs=5)
        with worker(world, "w", FAILPOINT=f"{point}:{turn}") as first:
            assert await asyncio.to_thread(first.wait, 60) == -signal.SIGKILL
        left = [row for row in world.all(models.QueuedMessage) if row.state == "leased"]
        with worker(world, "w"):
            await until(lambda: not world.all(models.QueuedMessage), 60)
    found = ledger.check(world, sids)
    assert found["twice"] == 0  # the carrier knows them by their ids
    marked = {row.sid for row in world.all(models.Message) if row.possible_duplicate}
    assert marked == {row.message_sid for row in left}
    assert len(marked) <= 3


@pytest.mark.kill
async def test_pq4_two_processes_share_queues_and_are_killed_again_and_again(world: QueueWorld) -> None:
    """Other routers wait for the lease of one that died; one by the same name does not."""
    ledger = Ledger()
    with gateway(ledger) as origin:
        world.carrier("c", url=origin.url(), window=6)
        sids = many(world, 400, pairs=60, accounts=4)
        with worker(world, "steady"):
            for _ in range(4):
                with worker(world, "doomed") as doomed:
                    count = len(ledger.accepted) + 30
                    await until(lambda count=count: len(ledger.accepted) >= min(count, 400), 60)  # type: ignore[misc]
                    doomed.kill()
            with worker(world, "doomed"):
                await until(lambda: not world.all(models.QueuedMessage), 90)
    assert ledger.check(world, sids) == Counter(c=400)
    marked = [row for row in world.all(models.Message) if row.possible_duplicate]
    assert len(marked) <= 4 * 6


# -- three carriers


class Three:
    """A fast, a slow and a lossy carrier in this process; a carrier that is dead answers nobody."""

    def __init__(self, seed: int) -> None:
        self.ledger = Ledger()
        self.dead: set[str] = set()
        self._lots = random.Random(seed)

    async def send(self, carrier: str, message: Outgoing) -> Taken:
        if carrier in self.dead:
            raise Unavailable("connection refused", maybe_taken=False)
        await asyncio.sleep({"fast": 0.0, "slow": 0.02, "lossy": 0.002}[carrier])
        if carrier in self.dead:
            raise Unavailable("connection reset", maybe_taken=True)
        lot = self._lots.random()
        if carrier == "lossy" and lot < 0.05:
            raise Unavailable("the request was lost", maybe_taken=True)
        fields = {"id": message.sid, "from": message.from_, "to": message.to, "body": message.body}
        self.ledger.accept(carrier, fields)
        if carrier == "lossy" and lot > 0.95:
            raise Unavailable("the answer was lost", maybe_taken=True)
        return Taken()


async def _three(world: QueueWorld, count: int, seconds: float) -> None:
    for name, window in (("fast", 10), ("slow", 4), ("lossy", 8)):
        world.carrier(name, window=window)
    three = Three(seed=7)
    world.random = random.Random(11).random
    loop = asyncio.get_running_loop()
    sids = await asyncio.to_thread(many, world, count // 2, pairs=count // 8, accounts=3)
    for life in range(2):
        messages = Messages(world, world.database, loop, {"": three}, base_url="https://router.test")
        await messages.start()
        try:
            if life == 0:
                await until(lambda: len(three.ledger.accepted) >= count // 8, seconds)
                three.dead.add("fast")
                more = asyncio.to_thread(many, world, count - count // 2, pairs=count // 8, accounts=3)
                sids += await more
                await until(lambda: len(three.ledger.accepted) >= count // 4, seconds)
            else:
                three.dead.clear()
                await until(lambda: not world.all(models.QueuedMessage), seconds)
        finally:
            await messages.stop()
    found = three.ledger.check(world, sids)
    assert set(found) >= {"fast", "slow", "lossy"}
    marked = [row for row in world.all(models.Message) if row.possible_duplicate]
    assert len(marked) < count / 10


@pytest.mark.kill
async def test_pq_e_three_carriers_one_killed_and_the_process_too(world: QueueWorld) -> None:
    await _three(world, 240, 60)

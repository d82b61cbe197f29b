"""Three carriers with hidden delivery rates, known by their reports only: messages find the one that delivers, and
follow it when the rates are swapped (MR-1 to MR-7, MR-10). Real processes."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import cycle, islice

import pytest
from scene import Scene
from sqlalchemy import func, select

from callrouter import models
from callrouter.carriers.simulator import SimulatedCarrier, TextScript

PHONES = [f"+1415555{number:04}" for number in range(40)]
WORKERS = 8
"""REST clients at once."""
RATES = (0.95, 0.60, 0.10)
OUTCOMES = ("delivered", "undelivered")


@dataclass
class Traffic:
    scene: Scene
    carriers: list[SimulatedCarrier]
    from_: str

    def swap(self, *rates: float) -> None:
        for carrier, rate in zip(self.carriers, rates, strict=True):
            carrier.texting = TextScript(delivered=rate, receipt_after=0.01)

    async def send(self, total: int) -> list[int]:
        """How many each carrier got of as many new messages, when all are reported."""
        had = self._given()
        await asyncio.gather(*(self._worker(total // WORKERS, PHONES[n::WORKERS]) for n in range(WORKERS)))
        await self.scene.until(lambda: self._open() == 0, "all are reported", 60 + total / 10)
        given = self._given() - had
        return [given[carrier.name] for carrier in self.carriers]

    async def _worker(self, total: int, phones: list[str]) -> None:
        create = self.scene.tenant.rest.messages.create
        for phone in islice(cycle(phones), total):
            await asyncio.to_thread(create, to=phone, from_=self.from_, body="Hello")

    def _given(self) -> Counter[str]:
        return Counter({carrier.name: len(carrier.messages) for carrier in self.carriers})

    def _open(self) -> int:
        table = models.Message.__table__.c
        query = select(func.count()).where(
            table.account_sid == self.scene.tenant.sid, table.status.not_in(OUTCOMES)
        )
        with self.scene.deployment.database.read() as connection:
            return int(connection.execute(query).scalar_one())


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("swapped", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_messages_find_the_carrier_that_delivers(broken: Scene, swapped: bool) -> None:
    """The acceptance of routing that learns."""
    asyncio.run(find(broken, swapped))


async def find(scene: Scene, swapped: bool) -> None:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(scene.carrier(seed=1))  # the others before it are disabled
        more = [await stack.enter_async_context(scene.deployment.carrier(seed=seed)) for seed in (2, 3)]
        for carrier in more:
            scene.deployment.join(carrier)
        traffic = Traffic(scene, [first, *more], scene.tenant.number())
        traffic.swap(*RATES)
        learning = await traffic.send(160)
        learned = await traffic.send(80)
        assert learned[0] > 56, (learning, learned)
        explained(scene, [carrier.name for carrier in traffic.carriers])
        if swapped:
            traffic.swap(*reversed(RATES))
            moving = await traffic.send(800)
            moved = await traffic.send(160)
            assert moved[2] > 96, (moving, moved)
        evidence = Counter[str]()
        for row in scene.rows(models.RouteCount):
            evidence.update({"sent": row.sent, "delivered": row.delivered, "lost": row.undelivered})
            assert row.prefix == "+1"
        rows = scene.rows(models.Message)
        delivered = sum(row.status == "delivered" for row in rows)
        assert evidence == {"sent": len(rows), "delivered": delivered, "lost": len(rows) - delivered}


def explained(scene: Scene, names: list[str]) -> None:
    """MR-10: each message says which routes were considered, and with which chance each would have been taken."""
    decisions = scene.rows(models.MessageDecision)
    assert {row.reason for row in decisions} == {"best", "explored"}
    for row in decisions:
        shares = {one["carrier"]: one["share"] for one in row.considered if "out" not in one}
        assert set(shares) == set(names)
        assert sum(shares.values()) == pytest.approx(1, abs=0.001)
        assert shares[row.carrier] > 0

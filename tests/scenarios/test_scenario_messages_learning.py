"""Carriers that say nothing about delivery: routes are ranked by what the app confirms, and when it is silent.

Three carriers with hidden delivery rates take everything. The app confirms by REST what arrived; what it does not
confirm counts as lost when its time is over, which the test brings about by moving that moment. Each message stores
with which chance each carrier would have got it, so that "most" is no guess: it is checked against these chances.
"""

import asyncio
import itertools
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from math import sqrt
from typing import Any

import pytest
from scene import Scene
from sqlalchemy import update

from callrouter import models
from callrouter.carriers.simulator import Receipts, SimulatedCarrier, TextScript
from callrouter.messages.routing.score import EQUAL, EXPLORED, EXPLORED_OF_LOSS

RATES = (0.95, 0.60, 0.10)
ROUND = 40
"""Messages after which the app says what it knows."""
APPS = 4
SIGMAS = 4.5


@dataclass
class Learning:
    scene: Scene
    carriers: Sequence[SimulatedCarrier]
    from_: str
    rounds: list[list[str]] = field(default_factory=list)
    """SIDs"""
    phones: Any = field(default_factory=lambda: map("+1415555{:04}".format, itertools.count()))

    def rates(self, *rates: float) -> None:
        for carrier, rate in zip(self.carriers, rates, strict=True):
            carrier.texting = TextScript(delivered=rate, receipts=Receipts.NONE)

    async def round(self) -> list[int]:
        """Sends some messages and says what arrived: how many each carrier got."""
        with ThreadPoolExecutor(APPS) as apps:
            phones = [next(self.phones) for _ in range(ROUND)]
            sids = await asyncio.to_thread(lambda: list(apps.map(self._create, phones)))
            self.rounds.append(sids)
            await self.scene.until(lambda: set(self._statuses(sids)) == {"sent"}, "they have left")
            arrived = {text.id for one in self.carriers for text in one.messages if text.delivered}
            await asyncio.to_thread(lambda: list(apps.map(self._confirm, sorted(arrived & set(sids)))))
        self._time_is_over(sids)
        await self.scene.until(
            lambda: not [row for row in self._rows(sids) if row.due_at], "all of them count by now"
        )
        assert set(self._statuses(sids)) == {"sent"}, "silence is no news about the message itself (MR-4)"
        taken = [{text.id for text in one.messages} for one in self.carriers]
        return [len(its & set(sids)) for its in taken]

    def _create(self, phone: str) -> str:
        made = self.scene.tenant.rest.messages.create(
            from_=self.from_, to=phone, body="Did it arrive?", provide_feedback=True
        )
        return str(made.sid)

    def _confirm(self, sid: str) -> None:
        self.scene.tenant.rest.messages(sid).feedback.create(outcome="confirmed")

    def _time_is_over(self, sids: list[str]) -> None:
        table = models.Message.__table__.c
        waits = (table.sid.in_(sids), table.due_at.is_not(None))
        self.scene.deployment.write(
            lambda connection: connection.execute(
                update(models.Message).where(*waits).values(due_at=time.time() - 1)
            )
        )

    def _rows(self, sids: list[str]) -> list[Any]:
        return self.scene.deployment.rows(models.Message, models.Message.sid.in_(sids))

    def _statuses(self, sids: list[str]) -> list[str]:
        return [row.status for row in self._rows(sids)]

    def chances(self, sids: list[str]) -> list[dict[str, dict[str, Any]]]:
        """Of each message, what was known about each carrier when it was chosen."""
        rows = self.scene.deployment.rows(
            models.MessageDecision, models.MessageDecision.message_sid.in_(sids)
        )
        return [{one["carrier"]: one for one in row.considered if "out" not in one} for row in rows]


@pytest.mark.timeout(1800)
@pytest.mark.slow
@pytest.mark.parametrize("swapped", [False, True])
def test_routes_are_ranked_by_what_the_app_confirms(broken: Scene, swapped: bool) -> None:
    """MR-2, MR-3, MR-4, MR-6, MR-7; the slow part swaps the rates, and one carrier goes deaf at last."""
    asyncio.run(learn(broken, swapped))


async def learn(scene: Scene, swapped: bool) -> None:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(scene.carrier(seed=1))  # the others before it are disabled
        more = [await stack.enter_async_context(scene.deployment.carrier(seed=seed)) for seed in (2, 3)]
        for carrier in more:
            scene.deployment.join(carrier)
        learning = Learning(scene, [first, *more], scene.tenant.number())
        learning.rates(*RATES)
        for _ in range(4):
            await learning.round()
        learned = await learning.round()
        assert learned[0] >= 0.6 * ROUND, learned
        if swapped:
            learning.rates(*reversed(RATES))
            for _ in range(30):
                moved = await learning.round()
            assert moved[2] >= 0.6 * ROUND, moved
            learning.rates(0.0, RATES[0], 0.0)  # nobody confirms what goes by two of them
            for _ in range(30):
                moved = await learning.round()
            assert moved[1] >= 0.6 * ROUND, moved
        follows_the_rule(learning)
        counts = scene.rows(models.RouteCount)
        arrived = sum(text.delivered for one in learning.carriers for text in one.messages)
        assert sum(row.delivered for row in counts) == arrived
        assert sum(row.sent for row in counts) == ROUND * len(learning.rounds)
        assert sum(row.unreported for row in counts) == ROUND * len(learning.rounds) - arrived


def follows_the_rule(learning: Learning) -> None:
    """Carriers got as many as their stored chances say; those that are clearly worse had what exploration leaves."""
    sids = [sid for each in learning.rounds for sid in each]
    chances = learning.chances(sids)
    assert len(chances) == len(sids)
    for carrier in learning.carriers:
        shares = [one[carrier.name]["share"] for one in chances]
        expected, spread = sum(shares), sqrt(sum(share * (1 - share) for share in shares))
        assert abs(len(carrier.messages) - expected) <= SIGMAS * spread + 1, (carrier.name, expected)
    for one in chances:
        best = max(one.values(), key=lambda known: known["score"])
        worse = [known for known in one.values() if known["score"] < best["score"] * (1 - EQUAL) - 0.001]
        explored = max(EXPLORED, EXPLORED_OF_LOSS * (1 - best["rate"]))
        assert sum(known["share"] for known in worse) <= explored + 0.001, one

"""Many messages through three carriers, one of which is killed, while the router is killed, too (PQ-1 to PQ-12).

However it goes: no message that was acknowledged is lost, none is taken twice unless it is marked as possibly so, and
the messages of each pair of sender and recipient are taken in their order.
"""

import asyncio
import itertools
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests
from scene import Scene, within
from sqlalchemy import func, select

from callrouter import models
from callrouter.carriers.simulator import SimulatedCarrier, Text, TextScript
from callrouter.directory import carriers
from foundation.sids import CARRIER, new_sid
from tests.support.deployment import Deployment

PHONES = [f"+1415555{number:04}" for number in range(40)]
WORKERS = 8
"""REST clients at once."""
FAST = TextScript()
SLOW = TextScript(rate=30, answer_after=0.02)
LOSSY = TextScript(delivered=0.6, refused=0.05)


@dataclass
class Flood:
    """What was sent and what arrived. `taken` are first takes and repetitions by another carrier, as they came."""

    scene: Scene
    sids: dict[str, str] = field(default_factory=dict)
    """by body"""
    taken: list[tuple[str, Text]] = field(default_factory=list)
    threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(WORKERS))

    async def send(self, total: int, from_: str) -> None:
        """Like careful apps: each request again, under its key, until it is answered. A worker's phones are its own,
        and its next message waits for the answer to the one before, so that there is an order to keep."""
        share = [PHONES[number::WORKERS] for number in range(WORKERS)]
        await asyncio.gather(*(self._worker(total // WORKERS, from_, phones) for phones in share))

    async def _worker(self, total: int, from_: str, phones: list[str]) -> None:
        for number, phone in zip(range(total), itertools.cycle(phones), strict=False):
            body = f"{phone}-{number}"
            loop = asyncio.get_running_loop()
            self.sids[body] = await loop.run_in_executor(self.threads, self._create, from_, phone, body)

    def _create(self, from_: str, to: str, body: str) -> str:
        tenant, ends = self.scene.tenant, time.monotonic() + 60
        url = f"{tenant.deployment.router_url}/2010-04-01/Accounts/{tenant.sid}/Messages.json"
        while True:
            try:
                answer = requests.post(
                    url,
                    data={"From": from_, "To": to, "Body": body},
                    headers={"Idempotency-Key": body},
                    auth=(tenant.sid, tenant.auth_token),
                    timeout=20,
                )
                if answer.status_code == 201:
                    return str(answer.json()["sid"])
                assert answer.status_code in (429, 503), answer.text
                refusal = answer.text
            except requests.RequestException as error:
                refusal = str(error)
            assert time.monotonic() < ends, f"nobody takes {body!r}: {refusal}"
            time.sleep(0.2)

    async def listen(self, carrier: SimulatedCarrier) -> None:
        while True:
            text = await carrier.inbox()
            self.taken.append((carrier.name, text))


def adopt(deployment: Deployment, carrier: SimulatedCarrier, **limits: Any) -> None:
    """Beside the others."""
    sealed = deployment.keys.seal(carrier.secret)
    deployment.write(
        lambda connection: carriers.create(
            connection,
            name=carrier.name,
            sid=new_sid(CARRIER),
            control_url=carrier.control_url,
            secret_sealed=sealed,
            now=time.time(),
            **limits,
        )
    )


def counts(scene: Scene) -> Counter[str]:
    table = models.Message.__table__.c
    query = select(table.status, func.count()).where(table.account_sid == scene.tenant.sid)
    with scene.deployment.database.read() as connection:
        return Counter(dict(map(tuple, connection.execute(query.group_by(table.status)))))


@pytest.mark.timeout(3600)
def test_a_flood_through_three_carriers_one_killed(broken: Scene) -> None:
    """A fast, a slow and a lossy carrier; the lossy one dies, the router twice. Ten thousand are in tests/kill."""
    asyncio.run(flood_through_three(broken, 400))


async def flood_through_three(broken: Scene, total: int) -> None:
    scene, deployment = broken, broken.deployment
    patience = 60 + total / 5
    flood, from_ = Flood(scene), scene.tenant.number()
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(
            scene.carrier(texting=FAST)
        )  # the others before it are disabled
        slow = await stack.enter_async_context(deployment.carrier(texting=SLOW))
        lossy = await deployment.carrier(texting=LOSSY, seed=7).__aenter__()
        adopt(deployment, slow, message_rate=30.0)
        adopt(deployment, lossy)
        three = (first, slow, lossy)
        ears = [asyncio.create_task(flood.listen(carrier)) for carrier in three]
        sending = asyncio.create_task(flood.send(total, from_))
        for share in (0.25, 0.75):
            await scene.until(
                lambda share=share: sending.done() or len(flood.sids) > share * total,
                "some are sent",
                patience,
            )
            if share == 0.25:
                await lossy.close()
            deployment.kill("router")
            await asyncio.to_thread(deployment.start, "router")
        await within(patience, sending)
        await scene.until(lambda: not scene.rows(models.QueuedMessage), "all queues are empty", patience)
        ended = {"delivered", "undelivered", "sent", "failed"}
        await scene.until(lambda: set(counts(scene)) <= ended, "all have left", patience)
        await scene.until(lambda: counts(scene)["sent"] <= len(lossy.messages), "the living report", patience)
        for ear in ears:
            ear.cancel()
    rows = {row.sid: row for row in scene.rows(models.Message)}
    assert set(rows) == set(flood.sids.values()), "one message for each key"
    takers: dict[str, list[str]] = {}
    for name, text in flood.taken:
        takers.setdefault(text.id, []).append(name)
    marked = {sid for sid, row in rows.items() if row.possible_duplicate}
    assert {sid for sid, row in rows.items() if row.status != "failed"} <= set(takers), "nothing is lost"
    assert {sid for sid, names in takers.items() if len(names) > 1} <= marked
    handed = Counter({sid: sum(carrier.handed(sid) for carrier in three) for sid in rows})
    assert {sid for sid, times in handed.items() if times > 1} <= marked
    assert len(marked) <= 3 * 3 * 32, "only what was under way when something died"
    for phone in PHONES:
        order = [
            int(text.body.split("-")[1])
            for _, text in flood.taken
            if text.to == phone and text.id not in marked
        ]
        assert order == sorted(order), f"{phone}: {order}"
    assert {carriers.name for carriers in three if carriers.messages} == {one.name for one in three}

"""The acceptance of messages: ten thousand through a fast, a slow and a lossy carrier (PQ-1, PQ-4, PQ-5, PQ-7, PQ-8).

The lossy one is killed in mid-run and stays dead; the router, whose senders work the queues, is killed again and again.
None is lost, none is accepted twice unless it is marked (`possible_duplicate`), and each pair of sender and recipient
keeps its order.
"""

import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from flood import Flood, carrier
from killing import Told

from tests.support.deployment import Deployment

pytestmark = [pytest.mark.kill, pytest.mark.timeout(3600)]

SLOW = 40.0
"""Messages in a second."""
FULL = pytest.mark.slow
ON_POSTGRESQL = pytest.mark.postgresql
"""A few hundred in ordinary runs, ten thousand in slow ones."""


@pytest.mark.parametrize(
    ("deployment", "total", "deaths"),
    [
        pytest.param("sqlite", 400, 2, id="sqlite"),
        pytest.param("postgresql", 400, 2, id="postgresql", marks=ON_POSTGRESQL),
        pytest.param("sqlite", 10_000, 6, id="sqlite-full", marks=FULL),
        pytest.param("postgresql", 10_000, 6, id="postgresql-full", marks=[FULL, ON_POSTGRESQL]),
    ],
    indirect=["deployment"],
)
def test_messages_outlive_their_carrier_and_their_router(
    deployment: Deployment, total: int, deaths: int, tmp_path: Path, record_property: Told
) -> None:
    lots = random.Random(total)
    patience = 60 + total / 10
    tenant = deployment.tenant()
    flood = Flood(tenant, tenant.number())
    with ExitStack() as stack:
        fast = stack.enter_context(carrier(deployment, tmp_path, f"fast{total}"))
        slow = stack.enter_context(
            carrier(deployment, tmp_path, f"slow{total}", rate=SLOW, answer_after=0.02, receipt_after=0.5)
        )
        lossy = stack.enter_context(
            carrier(
                deployment, tmp_path, f"lossy{total}", seed=7, answer_after=0.01, delivered=0.6, refused=0.05
            )
        )
        with ThreadPoolExecutor(1) as sender:
            sending = sender.submit(flood.send, total)
            for death in range(deaths + 1):
                share = (death + lots.random()) / (deaths + 1)
                deployment.wait_until(
                    lambda share=share: sending.done() or len(flood.sids) > share * total,  # type: ignore[misc]
                    "some are sent",
                    patience,
                )
                if death == deaths // 2:
                    lossy.kill()
                else:
                    deployment.kill("router")
                    deployment.start("router")
            sending.result(patience)
        deployment.kill("router")  # once more, with full queues and reports that are to come
        deployment.start("router")
        deployment.wait_until(flood.left, "all queues are empty", patience)
        three = [fast, slow, lossy]
        deployment.wait_until(lambda: flood.reported(three), "all have left and the living report", patience)
        record_property("killed", flood.check(three, deaths=deaths + 2))
        assert all(one.took() for one in three)

"""What is read when Prometheus asks: live calls, the outbox, queues of messages, the lease, pools of requests."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import Connection, func, select
from sqlalchemy.exc import DBAPIError

from callrouter.calls.dispatch import Dispatcher
from callrouter.calls.engine import Engine
from callrouter.calls.status import Status
from callrouter.models import CarrierHealth, Outbox, QueuedMessage
from callrouter.voice.client import VoiceClient
from foundation.db import Database
from foundation.outbound.pool import FetchPool
from foundation.webserver.health import Check

LIVE = [status.value for status in Status if not status.final]
BREAKERS = {"closed": 0.0, "half-open": 0.5, "open": 1.0}


@dataclass(frozen=True, kw_only=True, eq=False)
class RouterState(Collector):
    """Of one router process; `checks` are those of `/readyz`."""

    engine: Engine
    dispatcher: Dispatcher
    database: Database
    voice: VoiceClient
    pools: Mapping[str, FetchPool]
    checks: Mapping[str, Check]

    def describe(self) -> Iterable[Metric]:
        """Nothing: to be registered must not read the database."""
        return []

    def collect(self) -> Iterator[Metric]:
        now = self.engine.now()
        yield from self._memory(now)
        yield _family("callrouter_check_ok", "1 when a check of /readyz holds.", "check", self._checked())
        try:
            with self.database.read() as connection:
                yield from _stored(connection, now)
        except DBAPIError:
            return  # `check_ok` says so; what is missing is not zero

    def _memory(self, now: float) -> Iterator[Metric]:
        live = Counter(
            leg.status.value for one in self.engine.sessions() for leg in one.legs.values() if leg.live
        )
        counts = {status: live[status] for status in LIVE}
        yield _family("callrouter_calls", "Live calls of this router, child calls too.", "status", counts)
        lanes = self.dispatcher.waiting
        yield GaugeMetricFamily("callrouter_outbox_in_hand", "Outbox entries in this process's lanes.", lanes)
        left = max(0.0, self.engine.held_until - now)
        yield GaugeMetricFamily("callrouter_lease_seconds", "Until this router's lease ends.", left)
        yield GaugeMetricFamily(
            "callrouter_voice_up", "1 while the voice node is connected.", int(self.voice.up)
        )
        loads = {name: pool.load for name, pool in self.pools.items()}
        waiting = {name: load.waiting for name, load in loads.items()}
        running = {name: load.running for name, load in loads.items()}
        yield _family("callrouter_outbound_waiting", "Requests that wait for a thread.", "pool", waiting)
        yield _family("callrouter_outbound_running", "Requests under way.", "pool", running)

    def _checked(self) -> dict[str, float]:
        return {name: float(check() is None) for name, check in self.checks.items()}


def outbox_age(connection: Connection, now: float) -> float:
    """Seconds since the outbox entry was due that has waited longest; of all routers on this database."""
    oldest = connection.execute(select(func.min(Outbox.due_at))).scalar()
    return max(0.0, now - oldest) if oldest is not None else 0.0


def _stored(connection: Connection, now: float) -> Iterator[Metric]:
    rows = connection.execute(
        select(QueuedMessage.carrier, func.count(), func.min(QueuedMessage.enqueued_at)).group_by(
            QueuedMessage.carrier
        )
    ).all()
    depth, age = {row[0]: row[1] for row in rows}, {row[0]: max(0.0, now - row[2]) for row in rows}
    breakers = connection.execute(select(CarrierHealth.carrier, CarrierHealth.breaker)).all()
    entries = connection.execute(select(func.count()).select_from(Outbox)).scalar_one()
    yield GaugeMetricFamily("callrouter_outbox_entries", "Outbox entries of all routers.", entries)
    yield GaugeMetricFamily(
        "callrouter_outbox_oldest_seconds",
        "How overdue the oldest outbox entry is.",
        outbox_age(connection, now),
    )
    yield _family("callrouter_message_queue_messages", "Messages that wait for a carrier.", "carrier", depth)
    yield _family("callrouter_message_queue_oldest_seconds", "Age of the oldest of them.", "carrier", age)
    yield _family(
        "callrouter_carrier_breaker",
        "1: the carrier's breaker is open, nothing is sent; 0.5: one message tries.",
        "carrier",
        {row.carrier: BREAKERS.get(row.breaker, 1.0) for row in breakers},
    )


def _family(name: str, help: str, label: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, help, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family

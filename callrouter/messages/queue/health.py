"""A carrier's row in `carrier_health`: its lock, breaker and next slot, and the speed of its queue (PQ-8, PQ-11)."""

import math
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Table, bindparam, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from callrouter.messages.queue.breaker import Breaker, State
from callrouter.models import CarrierHealth, QueuedMessage

WINDOW = 30.0
"""Seconds: what happened that long ago counts for 1/e of what happens now."""
LONGEST_PAUSE = 300.0
"""Seconds that a carrier may ask for."""
HEALTH = CarrierHealth.__table__
_LOCK = select(HEALTH).where(HEALTH.c.carrier == bindparam("its_carrier")).with_for_update()
assert isinstance(HEALTH, Table)
_CHANGE = update(HEALTH).where(HEALTH.c.carrier == bindparam("its_carrier"))
_INSERT: dict[str, Any] = {
    "sqlite": sqlite.insert(CarrierHealth),
    "postgresql": postgresql.insert(CarrierHealth),
}


def locked(connection: Connection, carrier: str, now: float) -> Any:
    """The carrier's row, which nobody else reads for a claim until the commit."""
    row = connection.execute(_LOCK, {"its_carrier": carrier}).first()
    if row is None:
        new = _INSERT[connection.dialect.name].values(carrier=carrier, date_updated=now)
        connection.execute(new.on_conflict_do_nothing())  # another process may be as quick
        row = connection.execute(_LOCK, {"its_carrier": carrier}).one()
    return row


def change(connection: Connection, carrier: str, **columns: Any) -> None:
    """Writes columns of the carrier's row."""
    connection.execute(_CHANGE, {"its_carrier": carrier, **columns})


def breaker(row: Any) -> Breaker:
    return Breaker(state=State(row.breaker), failures=row.failures, opened_at=row.opened_at)


def note(connection: Connection, carrier: str, *, worked: bool, now: float) -> Breaker:
    """The carrier gave an answer, or none: its breaker now."""
    before = breaker(locked(connection, carrier, now)).at(now)
    after = before.succeeded() if worked else before.failed(now)
    change(connection, carrier, breaker=after.state, failures=after.failures, opened_at=after.opened_at)
    return after


def pause(connection: Connection, carrier: str, seconds: float, now: float) -> None:
    """The carrier wants no message for so long, LONGEST_PAUSE at most."""
    until = max(locked(connection, carrier, now).next_at, now + min(seconds, LONGEST_PAUSE))
    change(connection, carrier, next_at=until)


def measure(connection: Connection, taken: Mapping[str, int], now: float) -> None:
    """Adds to the speed of each queue. `taken` counts what its carrier took since this process last did so.

    Both speeds are sums that decay, so it does not matter how many processes add to them, and how often. What was
    offered follows from what left and by how much the queue grew.
    """
    sizes = select(QueuedMessage.carrier, func.count()).group_by(QueuedMessage.carrier)
    depths: dict[str, int] = {row[0]: row[1] for row in connection.execute(sizes)}
    known = set(connection.execute(select(HEALTH.c.carrier).where(HEALTH.c.depth > 0)).scalars())
    for carrier in sorted(taken.keys() | depths.keys() | known):
        row, depth = locked(connection, carrier, now), depths.get(carrier, 0)
        left, grown = taken.get(carrier, 0), depth - row.depth
        if not (left or grown):
            continue
        fade = math.exp(-max(0.0, now - row.date_updated) / WINDOW)
        values = {
            "taken": row.taken * fade + left / WINDOW,
            "offered": row.offered * fade + max(0, left + grown) / WINDOW,
            "depth": depth,
            "date_updated": now,
        }
        change(connection, carrier, **values)

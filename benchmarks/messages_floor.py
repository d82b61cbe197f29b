"""The floor of `messages.py`: the same rows by the same group commit, each statement once with the rows of a batch.

It decides nothing: no route is ranked, no sender is looked up, no order, rate, window or lease is looked after.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from callrouter.models import Inbox, Message, MessageDecision, QueuedMessage, RouteCount
from foundation.db import Database, later

Rows = Mapping[Any, Mapping[str, Any]]
"""Of one message, by table."""
Unit = Callable[[Connection, Rows], None]

PATIENCE = 60
AHEAD = 200
"""Units that wait at once."""
TABLES = (Message, MessageDecision, QueuedMessage)

_INSERT = {model: insert(model) for model in (*TABLES, Inbox)}
_MESSAGE = Message.__table__.c.sid == bindparam("its")
_LEASE = (
    update(QueuedMessage)
    .where(QueuedMessage.message_sid == bindparam("its"))
    .values(state="leased", lease_owner="floor", lease_until=bindparam("now"))
)
_SENDING = update(Message).where(_MESSAGE).values(status="sending", date_updated=bindparam("now"))
_LEAVE = delete(QueuedMessage).where(QueuedMessage.message_sid == bindparam("its"))
_SENT = update(Message).where(_MESSAGE).values(status="sent", date_sent=bindparam("now"))
_REPORTED = update(Message).where(_MESSAGE).values(status="delivered", reported_at=bindparam("now"))
_COUNTED = upsert(RouteCount)
_COUNTED = _COUNTED.on_conflict_do_update(
    index_elements=["carrier", "prefix", "kind", "account_sid", "period"],
    set_={"sent": RouteCount.__table__.c.sent + 1},
)
_COUNT = dict.fromkeys(("sent", "delivered", "undelivered", "unreported", "latency_ms"), 0)


def rows_of(database: Database) -> list[Rows]:
    """What a message's rows look like: those of each message that was stored, by table."""
    with database.read() as connection:
        found = {
            model: connection.execute(select(model.__table__).order_by(model.__table__.c.message_sid)).all()
            for model in TABLES[1:]
        }
        messages = connection.execute(select(Message.__table__).order_by(Message.__table__.c.sid)).all()
    rows = zip(messages, *found.values(), strict=True)
    return [{model: dict(row._mapping) for model, row in zip(TABLES, its, strict=True)} for its in rows]


@dataclass(frozen=True, kw_only=True)
class Spent:
    """Seconds for so many messages, by the clock and of the CPU."""

    messages: int
    clock: float
    cpu: float

    def __add__(self, other: Spent) -> Spent:
        """Both, for the same messages."""
        return Spent(messages=self.messages, clock=self.clock + other.clock, cpu=self.cpu + other.cpu)

    @property
    def rate(self) -> float:
        return self.messages / self.clock

    @property
    def each(self) -> float:
        """CPU seconds."""
        return self.cpu / max(1, self.messages)


class Floor:
    """What the rows of all messages cost, by what was done to them."""

    def __init__(self, database: Database, messages: Sequence[Rows]) -> None:
        self._database, self._messages = database, messages

    def enter(self) -> Spent:
        def unit(connection: Connection, rows: Rows) -> None:
            for model, row in rows.items():
                later(connection, _INSERT[model], [dict(row)])

        return self._each(unit)

    def hand_over(self) -> Spent:
        """The claim and the settlement; between them, for the router, is the carrier."""

        def claim(connection: Connection, rows: Rows) -> None:
            its = {"its": rows[Message]["sid"], "now": 1.0}
            later(connection, _LEASE, [its])
            later(connection, _SENDING, [its])

        def settle(connection: Connection, rows: Rows) -> None:
            its = {"its": rows[Message]["sid"], "now": 2.0}
            later(connection, _LEAVE, [{"its": its["its"]}])
            later(connection, _SENT, [its])
            self._count(connection, rows)

        return self._each(claim) + self._each(settle)

    def report(self) -> Spent:
        def unit(connection: Connection, rows: Rows) -> None:
            sid, account_sid = rows[Message]["sid"], rows[Message]["account_sid"]
            receipt = {
                "source": "carrier:floor",
                "event_id": f"report {sid} {sid}",
                "account_sid": account_sid,
            }
            later(connection, _INSERT[Inbox], [{**receipt, "call_sid": sid, "received_at": 3.0}])
            later(connection, _REPORTED, [{"its": sid, "now": 3.0}])
            self._count(connection, rows)

        return self._each(unit)

    def _count(self, connection: Connection, rows: Rows) -> None:
        queued = rows[QueuedMessage]
        route = {name: queued[name] for name in ("carrier", "prefix", "kind", "account_sid")}
        later(connection, _COUNTED, [{**route, **_COUNT, "period": 0}])

    def _each(self, unit: Unit) -> Spent:
        writes = [_of(unit, rows) for rows in self._messages]
        return written(self._database, writes)


def _of(unit: Unit, rows: Rows) -> Callable[[Connection], None]:
    return lambda connection: unit(connection, rows)


def written(database: Database, writes: Sequence[Callable[[Connection], Any]], key: str = "") -> Spent:
    """Stores so many units of work, AHEAD of them at once."""
    clock, cpu = time.perf_counter(), time.process_time()
    waiting: deque[Future[Any]] = deque()
    for write in writes:
        waiting.append(database.write(write, key))
        if len(waiting) >= AHEAD:
            waiting.popleft().result(PATIENCE)
    for future in waiting:
        future.result(PATIENCE)
    return Spent(messages=len(writes), clock=time.perf_counter() - clock, cpu=time.process_time() - cpu)

"""Routes and queues as operators read them: depth, age, rates, conversion, breaker (PQ-11, MR-10)."""

from collections.abc import Mapping
from math import exp
from typing import Any

from sqlalchemy import Connection, func, or_, select

from callrouter.messages.queue.breaker import Breaker, State
from callrouter.messages.routing.routes import MARK, RouteState
from callrouter.messages.routing.score import MEASURED
from callrouter.messages.status import Status
from callrouter.messages.transport import PRESENCE
from callrouter.models import Carrier, CarrierHealth, Message, MessageRoute, QueuedMessage, RouteCount

MEASURES = ("sent", "delivered", "undelivered", "unreported", "conversion", "latency")
CONVERSION_SECONDS = 3600.0
"""The conversion of a queue is that of the last hour."""
LEASED = "leased"
_DOUBTFUL = (
    select(QueuedMessage.carrier, func.count())
    .join(Message, Message.sid == QueuedMessage.message_sid)
    .where(QueuedMessage.attempts > 0, QueuedMessage.state != LEASED)
    .where(or_(Message.status == Status.SENDING, Message.possible_duplicate))
    .group_by(QueuedMessage.carrier)
)
"""Messages in a queue that its carrier may have already, because no answer was heard (PQ-4)."""


def routes(connection: Connection) -> list[dict[str, Any]]:
    """Every route of the operator's, and every destination there is evidence of, with the sums of all accounts."""
    key = ("carrier", "prefix", "kind")
    found = {
        tuple(row._mapping[name] for name in key): {
            **{name: row._mapping[name] for name in (*key, "state", "cost", "weight")},
            **_measures({}),
        }
        for row in connection.execute(select(MessageRoute.__table__))
    }
    columns = RouteCount.__table__.c
    sums = [func.sum(columns[name]).label(name) for name in (*MEASURES[:4], "latency_ms")]
    grouped = select(*(columns[name] for name in key), *sums).group_by(*(columns[name] for name in key))
    for row in connection.execute(grouped):
        place = tuple(row._mapping[name] for name in key)
        blank = {**dict(zip(key, place, strict=True)), "state": None, "cost": None, "weight": None}
        found[place] = {**found.get(place, blank), **_measures(row._mapping)}
    return [found[place] for place in sorted(found, key=lambda place: (place[1], place[2], place[0]))]


def without_route(connection: Connection) -> list[str]:
    """Carriers that take messages and get none, because others have routes and they have not."""
    made = (MessageRoute.state.in_((RouteState.ENABLED, RouteState.PINNED)), MessageRoute.weight > MARK)
    if connection.execute(select(MessageRoute.prefix).where(*made).limit(1)).first() is None:
        return []
    own = select(MessageRoute.prefix).where(MessageRoute.carrier == Carrier.name)
    query = select(Carrier.name).where(Carrier.messages, Carrier.status == "active", ~own.exists())
    return list(connection.execute(query.order_by(Carrier.name)).scalars())


def queues(connection: Connection, now: float, *, by_account: bool = False) -> list[dict[str, Any]]:
    """Every carrier's queue, and that of messages to clients; `by_account`: a line for each account in it."""
    columns = QueuedMessage.__table__.c
    key = (columns.carrier, columns.account_sid) if by_account else (columns.carrier,)
    waiting = select(
        *key,
        func.count().label("depth"),
        func.sum(columns.segments).label("segments"),
        func.min(columns.enqueued_at).label("oldest"),
        func.count().filter(columns.state == LEASED).label("leased"),
    ).group_by(*key)
    rows = connection.execute(waiting).all()
    if by_account:
        return [_depth(row, now, account_sid=row.account_sid) for row in rows]
    depths = {row.carrier: _depth(row, now) for row in rows}
    health = {row.carrier: row for row in connection.execute(select(CarrierHealth.__table__))}
    doubtful = {row[0]: row[1] for row in connection.execute(_DOUBTFUL)}
    takers = connection.execute(select(Carrier.name).where(Carrier.messages)).scalars()
    conversions = _conversions(connection, now)
    return [
        {
            **depths.get(name, {"carrier": name, "depth": 0, "segments": 0, "leased": 0, "oldest": None}),
            **_speed(health.get(name), now),
            "conversion": conversions.get(name),
            "doubtful": doubtful.get(name, 0),
        }
        for name in sorted({*takers, *depths, PRESENCE})
    ]


def _depth(row: Any, now: float, **more: str) -> dict[str, Any]:
    oldest = round(max(0.0, now - row.oldest), 1)
    counted = {"depth": row.depth, "segments": int(row.segments), "leased": row.leased, "oldest": oldest}
    return {"carrier": row.carrier, **more, **counted}


def _speed(row: Any, now: float) -> dict[str, Any]:
    """Messages in and out per second, as measured a moment ago, and the breaker."""
    if row is None:
        return {"in": 0.0, "out": 0.0, "breaker": State.CLOSED.value}
    faded = exp(-max(0.0, now - row.date_updated) / MEASURED)
    breaker = Breaker(state=State(row.breaker), failures=row.failures, opened_at=row.opened_at)
    return {
        "in": round(row.offered * faded, 2),
        "out": round(row.taken * faded, 2),
        "breaker": breaker.at(now).state.value,
    }


def _conversions(connection: Connection, now: float) -> dict[str, float | None]:
    columns = RouteCount.__table__.c
    sums = [func.sum(columns[name]).label(name) for name in MEASURES[:4]]
    recent = select(columns.carrier, *sums).where(columns.period > int(now - CONVERSION_SECONDS))
    rows = connection.execute(recent.group_by(columns.carrier))
    return {row.carrier: _conversion(row._mapping) for row in rows}


def _measures(row: Mapping[Any, Any]) -> dict[str, Any]:
    counts = {name: int(row.get(name, 0)) for name in MEASURES[:4]}
    delivered = counts["delivered"]
    latency = round(int(row["latency_ms"]) / delivered / 1000, 2) if delivered else None
    return {**counts, "conversion": _conversion(row), "latency": latency}


def _conversion(row: Mapping[Any, Any]) -> float | None:
    """Delivered among those whose outcome is known, or whose time is over."""
    outcomes = sum(int(row.get(name, 0)) for name in MEASURES[1:4])
    return round(int(row["delivered"]) / outcomes, 4) if outcomes else None

"""The operator's routes: which carrier may take messages to which destinations, at what cost (MR-1, MR-10)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite

from sqlalchemy import Connection, delete, insert, select, update

from callrouter.directory import carriers
from callrouter.directory.errors import Missing, Refused
from callrouter.directory.rows import values
from callrouter.models import MessageRoute

ALL = "+"
"""The prefix of all numbers."""
PREFIX = re.compile(r"\+(?:[1-9][0-9]{0,14})?", re.ASCII)
HEAVIEST = 1_000.0
MARK = 0.0
"""The weight of what is no route of the operator's but only a pin or a ban."""
INVALID = 20001


class Kind(StrEnum):
    SMS = "sms"
    MMS = "mms"


class RouteState(StrEnum):
    ENABLED = "enabled"
    DISABLED = "disabled"
    PINNED = "pinned"
    """where one is, only such compete"""
    BANNED = "banned"


@dataclass(frozen=True, kw_only=True)
class Route:
    """Times are Unix seconds."""

    carrier: str
    prefix: str
    kind: str
    cost: float
    weight: float
    state: str
    date_created: float
    date_updated: float


def listed(connection: Connection, carrier: str | None = None) -> list[Route]:
    query = select(MessageRoute.__table__).order_by(
        MessageRoute.prefix, MessageRoute.kind, MessageRoute.carrier
    )
    return values(
        Route, connection, query if carrier is None else query.where(MessageRoute.carrier == carrier)
    )


def put(
    connection: Connection,
    carrier: str,
    prefix: str,
    kind: Kind,
    now: float,
    *,
    cost: float | None = None,
    weight: float | None = None,
    state: RouteState | None = None,
) -> Route:
    """Makes the route, or changes what is given. Refused when a value will not do; Missing without such a carrier."""
    _checked(connection, carrier, prefix)
    if cost is not None and not (isfinite(cost) and cost >= 0):
        raise Refused(INVALID, "A cost is a number from 0")
    if weight is not None and not 0 < weight <= HEAVIEST:
        raise Refused(
            INVALID, f"A weight is more than 0 and at most {HEAVIEST:g}; to take a route out, disable it"
        )
    given = {"cost": cost, "weight": weight, "state": state}
    changes = {name: value for name, value in given.items() if value is not None}
    return _store(connection, (carrier, prefix, kind), changes, {"weight": 1.0}, now)


def mark(
    connection: Connection, carrier: str, prefix: str, kind: Kind, state: RouteState, now: float
) -> Route:
    """Pins or bans the carrier there. Where it has no route this makes none: without the mark all is as before."""
    _checked(connection, carrier, prefix)
    return _store(connection, (carrier, prefix, kind), {"state": state}, {"weight": MARK}, now)


def release(connection: Connection, carrier: str, prefix: str, kind: Kind, now: float) -> None:
    """Takes such a mark off again; Missing when there is nothing."""
    if _one(connection, carrier, prefix, kind).weight == MARK:
        remove(connection, carrier, prefix, kind)
    else:
        put(connection, carrier, prefix, kind, now, state=RouteState.ENABLED)


def remove(connection: Connection, carrier: str, prefix: str, kind: Kind) -> None:
    """What is waiting in the carrier's queue stays there."""
    _one(connection, carrier, prefix, kind)
    connection.execute(delete(MessageRoute).filter_by(carrier=carrier, prefix=prefix, kind=kind))


def _checked(connection: Connection, carrier: str, prefix: str) -> None:
    carriers.fetch(connection, carrier)
    if not PREFIX.fullmatch(prefix):
        raise Refused(INVALID, f"{prefix!r} is no prefix of numbers in E.164, such as +44; + is for all")


def _store(
    connection: Connection,
    key: tuple[str, str, Kind],
    changes: Mapping[str, object],
    otherwise: Mapping[str, object],
    now: float,
) -> Route:
    """`otherwise`: what a new row has besides, and one that was a mark only."""
    this = dict(zip(("carrier", "prefix", "kind"), key, strict=True))
    query = select(MessageRoute.weight).filter_by(**this).with_for_update()
    weight = connection.execute(query).scalar()
    values = {**(otherwise if not weight else {}), **changes, "date_updated": now}
    if weight is None:
        connection.execute(insert(MessageRoute).values(**this, **values, date_created=now))
    else:
        connection.execute(update(MessageRoute).filter_by(**this).values(**values))
    return _one(connection, *key)


def _one(connection: Connection, carrier: str, prefix: str, kind: Kind) -> Route:
    query = select(MessageRoute.__table__).filter_by(carrier=carrier, prefix=prefix, kind=kind)
    found = values(Route, connection, query)
    if not found:
        raise Missing(f"A route or mark of {carrier!r} to {prefix} for {kind}")
    return found[0]

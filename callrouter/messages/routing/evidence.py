"""What became of messages, counted per route, account and quarter of a minute (MR-2, MR-4, MR-5).

A route, for this, is a carrier, a destination prefix and sms or mms. An outcome stands in the period in which it became
known, so that what gets lost in silence weighs as much as what is reported at once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Connection, bindparam, case, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite

from callrouter.messages.once import once
from callrouter.messages.routing.fate import Outcome, fate
from callrouter.messages.routing.operator import wishes
from callrouter.messages.routing.score import Count, Evidence, weigh
from callrouter.messages.transport import PRESENCE
from callrouter.models import Account, MessageDecision, RouteCount
from foundation.db import later

PERIOD = 15
FOLDED = 900
"""Length of periods that are themselves older than that; `rounds` folds the short ones into them."""
WINDOW = 2 * 24 * 3600
"""Older evidence counts no more: by then it has faded to a sixteenth."""
KEPT_ROWS = 500
ROWS_PER_SECOND = 2_000
MOST_KEPT = 1_000

COUNTS = RouteCount.__table__.c
MEASURES = ("sent", "delivered", "undelivered", "unreported", "latency_ms")
_AGES = tuple(PERIOD * 2**n for n in range(14))
_age = case(*[(COUNTS.period > bindparam("now") - age, age // 2) for age in _AGES], else_=_AGES[-1])
_party = func.coalesce(Account.owner_account_sid, COUNTS.account_sid)
_READ = (
    select(
        COUNTS.carrier,
        _party.label("party"),
        _age.label("age"),
        func.sum(COUNTS.delivered).label("delivered"),
        func.sum(COUNTS.undelivered + COUNTS.unreported).label("lost"),
        func.sum(COUNTS.latency_ms).label("latency_ms"),
        func.count().label("rows"),
    )
    .join_from(RouteCount, Account, Account.account_sid == COUNTS.account_sid, isouter=True)
    .where(
        COUNTS.carrier.in_(bindparam("carriers", expanding=True)),
        COUNTS.prefix == bindparam("prefix"),
        COUNTS.kind == bindparam("kind"),
        COUNTS.period > bindparam("now") - WINDOW,
    )
    .group_by(COUNTS.carrier, _party, _age)
)
_DECISIONS = MessageDecision.__table__.c
_DECISION = (
    select(_DECISIONS.considered)
    .where(
        _DECISIONS.account_sid == bindparam("account_sid"),
        _DECISIONS.message_sid == bindparam("sid"),
        _DECISIONS.carrier == bindparam("carrier"),
    )
    .order_by(_DECISIONS.attempt.desc())
    .limit(1)
)
_OWNER = select(Account.owner_account_sid).where(Account.account_sid == bindparam("account_sid"))


def _upsert(module: Any) -> Any:
    row = module.insert(RouteCount)
    return row.on_conflict_do_update(
        index_elements=["carrier", "prefix", "kind", "account_sid", "period"],
        set_={name: COUNTS[name] + row.excluded[name] for name in MEASURES},
    )


_UPSERT = {"sqlite": _upsert(sqlite), "postgresql": _upsert(postgresql)}


@dataclass(frozen=True, kw_only=True)
class Route:
    carrier: str
    prefix: str
    kind: str
    account_sid: str


def handed_off(
    connection: Connection, before: Any, changes: Mapping[str, Any], queued: Any, now: float
) -> dict[str, Any]:
    """Counts a message as sent and starts its timer: once, in the commit that stores the hand-off (OM8). What is to be
    written besides `changes` to its row, which is `before` so far; `queued` is the row that it leaves the queue by.

    This is no delivery report, whatever the carrier answered (MR-3). A client's counts nowhere.
    """
    if queued.carrier == PRESENCE:
        return {}
    route = Route(
        carrier=queued.carrier, prefix=queued.prefix, kind=queued.kind, account_sid=queued.account_sid
    )
    add(connection, route, now, {"sent": 1})
    after = SimpleNamespace(**{**before._mapping, **changes})
    if fate(after).outcome in (None, Outcome.UNREPORTED):
        return {"due_at": now + wishes.report_seconds}
    return {}


def changed(connection: Connection, before: Any, after: Any, now: float) -> None:
    """Counts what a report or its absence made of a message: its row before, and its row since.

    An outcome that was counted already moves, in the period in which it stands (MR-4).
    """
    was, became = fate(before).outcome, fate(after).outcome
    deltas: dict[str, int] = {}
    if before.carrier != after.carrier:  # the one that had it keeps its own outcome
        was = None
    if before.carrier != after.carrier or not fate(before).handed:
        deltas["sent"] = 1
    if was is not became:
        deltas |= {outcome: change for outcome, change in ((was, -1), (became, 1)) if outcome}
    if became is Outcome.DELIVERED and was is not became:
        deltas["latency_ms"] = round(max(0.0, now - after.date_sent) * 1000)
    route = route_of(connection, after) if deltas else None
    if route is not None:
        since = before.reported_at if was else None
        known_at = min(now if since is None else since, after.date_sent + wishes.report_seconds)
        add(connection, route, known_at, deltas, now=now)


def route_of(connection: Connection, message: Any) -> Route | None:
    """The route by which its carrier got it; None when no decision says so."""
    its = {"account_sid": message.account_sid, "sid": message.sid, "carrier": message.carrier}
    for entry in connection.execute(_DECISION, its).scalar() or ():
        if entry.get("carrier") == message.carrier:  # of a message to a client they are clients
            return Route(
                carrier=message.carrier,
                prefix=entry["prefix"],
                kind=entry["kind"],
                account_sid=message.account_sid,
            )
    return None


def add(
    connection: Connection, route: Route, at: float, deltas: Mapping[str, int], *, now: float | None = None
) -> None:
    """Adds to the route's counts of the period of `at`; when that was long ago, it may have been folded."""
    this = {**asdict(route), "period": int(at // PERIOD * PERIOD)}
    if now is not None and now - at > FOLDED and not _stands(connection, this):
        this["period"] = int(at // FOLDED * FOLDED)
    row = {**this, **dict.fromkeys(MEASURES, 0), **deltas}
    later(connection, _UPSERT[connection.dialect.name], [row])


def _stands(connection: Connection, period: Mapping[str, Any]) -> bool:
    query = select(COUNTS.period).filter_by(**period)
    return connection.execute(query.with_for_update()).first() is not None


def fold(connection: Connection, account_sid: str, now: float) -> None:
    """Adds an account's short periods into long ones once they are old, and forgets what is too old to count."""
    mine = COUNTS.account_sid == account_sid
    connection.execute(delete(RouteCount).where(mine, COUNTS.period <= int(now) - WINDOW - FOLDED))
    old = (COUNTS.period <= int(now) - 2 * FOLDED, COUNTS.period % FOLDED != 0)
    gone = delete(RouteCount).where(mine, *old).returning(*RouteCount.__table__.c)
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for found in connection.execute(gone):
        row = {**found._mapping, "period": found.period // FOLDED * FOLDED}
        key = tuple(row[name] for name in ("carrier", "prefix", "kind", "period"))
        kept = rows.setdefault(key, {**row, **dict.fromkeys(MEASURES, 0)})
        kept.update({name: kept[name] + row[name] for name in MEASURES})
    for key in sorted(rows):
        connection.execute(_UPSERT[connection.dialect.name], rows[key])


def foldable(connection: Connection, now: float) -> Sequence[str]:
    """Accounts that have something to fold."""
    old = (COUNTS.period <= int(now) - 2 * FOLDED, COUNTS.period % FOLDED != 0)
    too_old = COUNTS.period <= int(now) - WINDOW - FOLDED
    query = select(COUNTS.account_sid).distinct().where(old[0], old[1] | too_old)
    return list(connection.execute(query).scalars())


def read(
    connection: Connection, carriers: Sequence[str], prefix: str, kind: str, account_sid: str, now: float
) -> dict[str, Evidence]:
    """What routes to that prefix have shown, as it counts for that account."""
    own = once(
        connection,
        ("owner", account_sid),
        lambda: connection.execute(_OWNER, {"account_sid": account_sid}).scalar() or account_sid,
    )
    sheet = _sheet(connection, tuple(sorted(carriers)), prefix, kind, now)
    if own not in sheet.weighed:
        sheet.weighed[own] = {name: weigh(counts, own) for name, counts in sheet.counts.items()}
    return sheet.weighed[own]


@dataclass(frozen=True, kw_only=True)
class _Sheet:
    """The counts of carriers for one destination, good `until` then; `weighed`: by whose messages they are for."""

    since: float
    until: float
    counts: Mapping[str, Sequence[Count]]
    weighed: dict[str, dict[str, Evidence]] = field(default_factory=dict)


def _sheet(connection: Connection, carriers: tuple[str, ...], prefix: str, kind: str, now: float) -> _Sheet:
    """Much of it is kept for a moment, so that reading it takes its small share of the time at most."""
    kept: dict[Any, _Sheet] = connection.info.setdefault("route_counts", {})
    sheet = kept.get((carriers, prefix, kind))
    if sheet is not None and sheet.since <= now < sheet.until:
        return sheet
    given = {"carriers": carriers, "prefix": prefix, "kind": kind, "now": int(now)}
    counts: dict[str, list[Count]] = {carrier: [] for carrier in carriers}
    read_rows = 0
    for row in connection.execute(_READ, given):
        read_rows += row.rows
        counts[row.carrier].append(
            Count(
                account=row.party,
                age=row.age,
                delivered=int(row.delivered),
                lost=int(row.lost),
                latency=float(row.latency_ms) / 1000,
            )
        )
    sheet = _Sheet(since=now, until=now + read_rows / ROWS_PER_SECOND, counts=counts)
    if read_rows >= KEPT_ROWS:
        if len(kept) >= MOST_KEPT:
            kept.clear()
        kept[carriers, prefix, kind] = sheet
    return sheet

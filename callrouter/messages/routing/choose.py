"""Chooses the carrier of one message, and says why (PQ-2, MR-1, MR-6, MR-10)."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import exp
from typing import Any

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE
from sqlalchemy import Connection, bindparam, select

from callrouter.messages.once import once
from callrouter.messages.queue.breaker import Breaker, State
from callrouter.messages.routing import evidence
from callrouter.messages.routing.operator import wishes
from callrouter.messages.routing.routes import ALL, RouteState
from callrouter.messages.routing.score import MEASURED, Candidate, Ranked, draw, expected_wait, rank
from callrouter.models import Carrier, CarrierHealth, MessageRoute, QueuedMessage


class Reason(StrEnum):
    BEST = "best"
    EXPLORED = "explored"
    PINNED = "pinned"
    ONLY = "only"
    NUMBER = "number"
    """there are no routes, and the sender's number is that carrier's"""
    NONE = "none"


@dataclass(frozen=True, kw_only=True)
class Decision:
    """`carrier` is empty when none takes it. `prefix`: the destination whose evidence it was chosen by.

    `considered` names every carrier that has to do with the destination: with its score and share, or why it is `out`.
    """

    carrier: str
    prefix: str
    reason: str
    considered: Sequence[Mapping[str, Any]] = ()


_CARRIERS = (
    select(
        Carrier.name,
        Carrier.status,
        Carrier.messages,
        Carrier.message_rate,
        Carrier.message_window,
        *(
            CarrierHealth.__table__.c[name]
            for name in ("breaker", "failures", "opened_at", "taken", "depth", "date_updated")
        ),
    )
    .join_from(Carrier, CarrierHealth, CarrierHealth.carrier == Carrier.name, isouter=True)
    .order_by(Carrier.name)
)
LENGTHS = range(1, 17)
"""Of prefixes."""
FEW = 200
"""Routes that are read once for all messages of a commit; of more, each message reads its own."""
_OF_KIND = (
    select(MessageRoute.__table__).where(MessageRoute.kind == bindparam("kind")).order_by(MessageRoute.prefix)
)
_FEW = _OF_KIND.limit(FEW + 1)
_ROUTES = _OF_KIND.where(MessageRoute.prefix.in_([bindparam(f"of_{length}") for length in LENGTHS]))
_OLDEST = (
    select(QueuedMessage.enqueued_at)
    .where(QueuedMessage.carrier == bindparam("carrier"))
    .order_by(QueuedMessage.position)
    .limit(1)
)


@dataclass(frozen=True, kw_only=True)
class _Way:
    """A carrier and the most specific of its routes that fits; `out`: why it isn't taken, or empty."""

    carrier: Any
    route: Any = None
    out: str = ""

    @property
    def pinned(self) -> bool:
        return self.route is not None and bool(self.route.state == RouteState.PINNED)


def choose(
    connection: Connection,
    account_sid: str,
    to: str,
    kind: str,
    now: float,
    random: Callable[[], float],
    *,
    avoid: Collection[str] = (),
    preferred: str = "",
    explore: bool = True,
) -> Decision:
    """The carrier for a message to the number `to`; `kind` is sms or mms. `random` answers from 0 up to 1.

    Of a carrier's routes the most specific counts. Without any route that is open to the destination, the sender's own
    carrier (`preferred`) takes it, else all active carriers that take messages compete. `avoid`: those that had
    their chance; then nothing is explored, and neither when the customer forbids it (MR-7).
    """
    routes = _routes(connection, to, kind)
    prefix = max([_country(to), *(route.prefix for route in routes)], key=len)

    def find() -> _Ranking:
        return _ranking(
            connection,
            account_sid,
            routes,
            prefix,
            kind,
            now,
            avoid=avoid,
            preferred=preferred,
            explore=explore,
        )

    key = ("ranking", account_sid, prefix, kind, tuple(avoid), preferred, explore)
    ranking = once(connection, key, find)
    chosen = draw(ranking.ranked, random) if ranking.ranked else None
    reason = ranking.reason or Reason.NONE
    if chosen and not ranking.reason:
        reason = Reason.BEST if chosen.leading else Reason.EXPLORED
    return Decision(
        carrier=chosen.candidate.carrier if chosen else "",
        prefix=prefix,
        reason=reason,
        considered=ranking.considered,
    )


@dataclass(frozen=True, kw_only=True)
class _Ranking:
    """The same for all messages of an account to one destination. `reason`: why only these compete, or empty."""

    ranked: Sequence[Ranked]
    reason: str
    considered: Sequence[Mapping[str, Any]]


def _ranking(
    connection: Connection,
    account_sid: str,
    routes: Sequence[Any],
    prefix: str,
    kind: str,
    now: float,
    *,
    avoid: Collection[str],
    preferred: str,
    explore: bool,
) -> _Ranking:
    carriers = once(connection, "carriers", lambda: connection.execute(_CARRIERS).all())
    ways = [_way(carrier, routes, avoid) for carrier in carriers]
    open_ = [way for way in ways if not way.out]
    reason = ""
    if pinned := [way for way in open_ if way.pinned]:
        open_, reason = pinned, Reason.PINNED
    elif not _made(routes) and (own := [w for w in open_ if w.carrier.name == preferred and _well(w, now)]):
        open_, reason = own, Reason.NUMBER
    elif len(open_) == 1:
        reason = Reason.ONLY
    facts = _facts(connection, account_sid, open_, prefix, kind, now)
    explore = explore and wishes.explored > 0 and not (reason or avoid)
    ranked = rank([facts[way.carrier.name] for way in open_], explore=explore, least=wishes.explored)
    considered = [_shown(one, prefix, kind) for one in ranked]
    considered += [_left_out(way, prefix, kind) for way in ways if way not in open_]
    return _Ranking(ranked=ranked, reason=reason, considered=tuple(considered))


def _routes(connection: Connection, to: str, kind: str) -> Sequence[Any]:
    """Those whose prefix fits the number, shortest first."""
    few = once(connection, ("routes", kind), lambda: connection.execute(_FEW, {"kind": kind}).all())
    if len(few) <= FEW:
        return [route for route in few if to.startswith(route.prefix)]
    prefixes = {f"of_{length}": to[:length] for length in LENGTHS}
    return connection.execute(_ROUTES, {"kind": kind, **prefixes}).all()


def _country(to: str) -> str:
    """The plus and the country code; what has none is one destination."""
    for length in (2, 3, 4) if to.isascii() and to.startswith(ALL) else ():
        if to[1:length].isdecimal() and int(to[1:length]) in COUNTRY_CODE_TO_REGION_CODE:
            return to[:length]
    return ALL


def _made(routes: Sequence[Any]) -> bool:
    """Whether the operator opened any: a ban alone leaves the other carriers where they were."""
    return any(route.state in (RouteState.ENABLED, RouteState.PINNED) for route in routes)


def _way(carrier: Any, routes: Sequence[Any], avoid: Collection[str]) -> _Way:
    its = [route for route in routes if route.carrier == carrier.name]
    route = max(its, key=lambda route: len(route.prefix), default=None)
    out = ""
    if carrier.status != "active":
        out = "the carrier is disabled"
    elif not carrier.messages:
        out = "the carrier takes no messages"
    elif route is not None and route.state in (RouteState.BANNED, RouteState.DISABLED):
        out = f"the route is {route.state}"
    elif route is None and _made(routes):
        out = "no route"
    elif carrier.name in avoid:
        out = "it was tried"
    return _Way(carrier=carrier, route=route, out=out)


def _well(way: _Way, now: float) -> bool:
    row = way.carrier
    if row.breaker is None:
        return True
    breaker = Breaker(state=State(row.breaker), failures=row.failures, opened_at=row.opened_at)
    return breaker.at(now).state is State.CLOSED


def _facts(
    connection: Connection, account_sid: str, ways: Sequence[_Way], prefix: str, kind: str, now: float
) -> dict[str, Candidate]:
    names = [way.carrier.name for way in ways]
    known = evidence.read(connection, names, prefix, kind, account_sid, now) if names else {}
    return {
        way.carrier.name: Candidate(
            carrier=way.carrier.name,
            route=way.route.prefix if way.route else ALL,
            cost=way.route.cost if way.route else 0.0,
            weight=(way.route and way.route.weight) or 1.0,
            evidence=known[way.carrier.name],
            wait=_wait(connection, way.carrier, now),
            probing=not _well(way, now),
        )
        for way in ways
    }


def _wait(connection: Connection, carrier: Any, now: float) -> float:
    if not carrier.depth:
        return 0.0
    since = now
    if carrier.depth > carrier.message_window:
        since = connection.execute(_OLDEST, {"carrier": carrier.name}).scalar() or now
    return expected_wait(
        carrier.depth,
        taken=carrier.taken * exp(-max(0.0, now - carrier.date_updated) / MEASURED),
        assumed=carrier.message_rate or carrier.message_window,
        busy=max(0.0, now - since),
    )


def _shown(one: Ranked, prefix: str, kind: str) -> dict[str, Any]:
    candidate, known = one.candidate, one.candidate.evidence
    return {
        "carrier": candidate.carrier,
        "prefix": prefix,
        "kind": kind,
        "route": candidate.route,
        "share": round(one.share, 4),
        "score": round(candidate.score, 4),
        "rate": round(known.rate, 4),
        "doubt": round(known.doubt, 4),
        "outcomes": round(known.outcomes, 1),
        "delivered": round(known.delivered, 1),
        "latency": None if known.latency is None else round(known.latency, 2),
        "wait": round(candidate.wait, 1),
        "cost": candidate.cost,
        "weight": candidate.weight,
        "probing": candidate.probing,
    }


def _left_out(way: _Way, prefix: str, kind: str) -> dict[str, Any]:
    pinned_elsewhere = "another route is pinned, or is the number's own"
    return {
        "carrier": way.carrier.name,
        "prefix": prefix,
        "kind": kind,
        "route": way.route.prefix if way.route else ALL,
        "out": way.out or pinned_elsewhere,
    }

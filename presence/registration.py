"""The rules of presence, as pure functions: register, refresh, evict, expire, consolidate.

A client is an identity in an account; an endpoint is one device of it. An endpoint is live until `expires_at`, which
is judged whenever somebody reads (PR-14): nothing here or elsewhere needs a sweeper to be right. What a client *is*
follows from its live endpoints and is never stored as an opinion. Time is always an argument, in Unix seconds.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

CAP = 10  # endpoints per client (PR-12)
HTTP_TTL = 90  # default life of a registration over HTTP (PR-13)
TTL_LIMITS = (10, 3600)
CAPABILITIES = ("voice", "sms", "mms")


class Status(StrEnum):
    """Built-in statuses, highest rank first (PR-20, PR-23). Nobody stores `offline`: it is the lack of endpoints."""

    AVAILABLE = "available"
    AWAY = "away"
    BUSY = "busy"
    DND = "dnd"
    OFFLINE = "offline"


RANK = {status: rank for rank, status in enumerate(Status)}


class Change(StrEnum):
    """What the change log says about a client's endpoint."""

    REGISTERED = "registered"
    UPDATED = "updated"
    UNREGISTERED = "unregistered"
    EVICTED = "evicted"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One device of a client, as registered. `socket`: it is rung through a socket that `node` holds."""

    account_sid: str
    client: str
    endpoint_id: str
    sid: str
    status: Status = Status.AVAILABLE
    capabilities: tuple[str, ...] = ("voice",)
    priority: int = 0
    note: str = ""
    delivery: str = ""
    socket: bool = False
    node: str = ""
    key_sid: str = ""
    token_digest: str = ""
    token_expires_at: float
    refreshed_at: float
    expires_at: float

    def live(self, now: float) -> bool:
        return self.expires_at > now


@dataclass(frozen=True, kw_only=True)
class Registered:
    """What a registration does: the row to store, who is evicted for it, and what to publish.

    `change` is None for a pure refresh: it extends the life and is published to nobody (PR-13).
    """

    endpoint: Endpoint
    evicted: tuple[Endpoint, ...] = ()
    change: Change | None = None
    created: bool = False


class StaleVersion(Exception):
    """The update was based on an older version of the client than the current one (PR-16); nothing was stored."""


def expiry(now: float, ttl: float, token_expires_at: float) -> float:
    """A registration never outlives its token (PR-8)."""
    return min(now + ttl, token_expires_at)


def register(
    asked: Endpoint,
    known: Sequence[Endpoint],
    now: float,
    *,
    version: int = 0,
    based_on: int | None = None,
    cap: int = CAP,
) -> Registered:
    """Decides on a registration among the client's known endpoints.

    The same endpoint id again keeps its SID (PR-10); beyond the cap the endpoint that was refreshed longest ago goes
    (PR-12). StaleVersion: see PR-16.
    """
    if based_on is not None and based_on != version:
        raise StaleVersion(f"the client is at version {version}, not {based_on}")
    others = [endpoint for endpoint in known if endpoint.endpoint_id != asked.endpoint_id]
    before = next((one for one in known if one.endpoint_id == asked.endpoint_id and one.live(now)), None)
    if before is None:
        by_age = sorted(
            (one for one in others if one.live(now)), key=lambda one: (one.refreshed_at, one.endpoint_id)
        )
        evicted = tuple(by_age[: max(0, len(by_age) + 1 - cap)])
        return Registered(endpoint=asked, evicted=evicted, change=Change.REGISTERED, created=True)
    endpoint = replace(asked, sid=before.sid)
    change = None if _visible(endpoint) == _visible(before) else Change.UPDATED
    return Registered(endpoint=endpoint, change=change)


def _visible(endpoint: Endpoint) -> tuple[object, ...]:
    """What a watcher can see; times and tokens are not part of it."""
    return (endpoint.status, endpoint.capabilities, endpoint.priority, endpoint.note, endpoint.node)


class Seen(NamedTuple):
    """What readers see of a live endpoint; a plain tuple, because a query makes thousands of them."""

    endpoint_id: str
    status: Status
    capabilities: tuple[str, ...]
    priority: int
    refreshed_at: float
    expires_at: float
    node: str

    def available(self, capability: str | None = None) -> bool:
        """Whether it takes calls or messages (of that capability) by its own word."""
        return (
            self.status is Status.AVAILABLE
            and bool(self.capabilities)
            and (capability is None or capability in self.capabilities)
        )


@dataclass(frozen=True, kw_only=True)
class Consolidated:
    """A client's status out of its live endpoints; `expires_at` is when the last of them ends."""

    status: Status
    available: bool
    capabilities: tuple[str, ...]
    expires_at: float | None
    endpoints: tuple[Seen, ...]


NOBODY = Consolidated(status=Status.OFFLINE, available=False, capabilities=(), expires_at=None, endpoints=())


def consolidate(endpoints: Iterable[Seen], now: float) -> Consolidated:
    """The highest-ranked status among live endpoints; available when one of them is (PR-23). Order is fixed:
    priority, then rank, then the most recently active, then the id."""
    live = [one for one in endpoints if one.expires_at > now]
    if not live:
        return NOBODY
    if len(live) > 1:
        live.sort(key=_precedence)
    return Consolidated(
        status=min((one.status for one in live), key=RANK.__getitem__),
        available=any(one.available() for one in live),
        capabilities=_union(live),
        expires_at=max(one.expires_at for one in live),
        endpoints=tuple(live),
    )


def _precedence(one: Seen) -> tuple[int, int, float, str]:
    return -one.priority, RANK[one.status], -one.refreshed_at, one.endpoint_id


def _union(endpoints: Sequence[Seen]) -> tuple[str, ...]:
    first = endpoints[0].capabilities
    if all(one.capabilities == first for one in endpoints):
        return first
    have = {capability for one in endpoints for capability in one.capabilities}
    return tuple(capability for capability in CAPABILITIES if capability in have)

"""The rules of presence, as pure functions: register, refresh, evict, expire, consolidate.

A client is an identity in an account; an endpoint is one device of it. An endpoint is live until `expires_at`, which
is judged whenever somebody reads (PR-14): nothing here or elsewhere needs a sweeper to be right. What a client *is*
follows from its live endpoints and is never stored as an opinion. Time is always an argument, in Unix seconds.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from operator import attrgetter
from typing import Any, NamedTuple

from presence.statuses import AVAILABLE, BUSY, Status, StatusKind

CAP = 10  # endpoints per client (PR-12)
HTTP_TTL = 90  # default life of a registration over HTTP (PR-13)
TTL_LIMITS = (10, 3600)
CAPABILITIES = ("voice", "sms", "mms")


class Change(StrEnum):
    """What the change log says about a client's endpoint."""

    REGISTERED = "registered"
    UPDATED = "updated"
    UNREGISTERED = "unregistered"
    EVICTED = "evicted"
    EXPIRED = "expired"
    REVOKED = "revoked"
    ENGAGED = "engaged"
    """on a call"""
    FREE = "free"
    """its last call is over, or nobody says any more that it lives"""
    CHOSE = "chose"
    """the client set its own status"""
    LISTED = "listed"
    UNLISTED = "unlisted"
    """put on a contact list, or taken from it"""


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One device of a client, as registered. `rank` to `messages` are its status's, when it was set.

    `socket`: it is rung through a socket that `node` holds. `incoming`: its token lets calls come. `hidden`: it is
    rung, but watchers don't see it (PR-25). `busy_until`: it is on a call until then (PR-24). `token_id` is a digest.
    """

    account_sid: str
    client: str
    endpoint_id: str
    sid: str
    status: str = Status.AVAILABLE.value
    rank: int = AVAILABLE.rank
    available: bool = True
    voice: bool = True
    messages: bool = True
    capabilities: tuple[str, ...] = ("voice",)
    priority: int = 0
    note: str = ""
    delivery: str = ""
    hidden: bool = False
    incoming: bool = True
    busy_until: float = 0.0
    socket: bool = False
    node: str = ""
    key_sid: str = ""
    token_digest: str = ""
    token_id: str = ""
    token_issued_at: float = 0.0
    token_expires_at: float
    refreshed_at: float
    expires_at: float

    def live(self, now: float) -> bool:
        return self.expires_at > now

    def of_kind(self, kind: StatusKind, **changes: Any) -> "Endpoint":
        """The same with this status, and with these changes."""
        changes |= {
            "status": kind.name,
            "rank": kind.rank,
            "available": kind.available,
            "voice": kind.voice,
            "messages": kind.messages,
        }
        mine = vars(self)
        return (
            self if all(mine[name] == value for name, value in changes.items()) else replace(self, **changes)
        )


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
    endpoint = replace(asked, sid=before.sid, busy_until=before.busy_until)
    change = None if _visible(endpoint) == _visible(before) else Change.UPDATED
    return Registered(endpoint=endpoint, change=change)


def _visible(endpoint: Endpoint) -> tuple[object, ...]:
    """What a watcher of devices can see; times and tokens are not part of it."""
    return (
        endpoint.status,
        endpoint.capabilities,
        endpoint.priority,
        endpoint.note,
        endpoint.node,
        endpoint.hidden,
        endpoint.incoming,
    )


class Seen(NamedTuple):
    """What readers see of a live endpoint; a plain tuple, because a query makes thousands of them."""

    endpoint_id: str
    status: str
    rank: int
    available: bool
    voice: bool
    messages: bool
    capabilities: tuple[str, ...]
    priority: int
    note: str
    hidden: bool
    incoming: bool
    busy_until: float
    refreshed_at: float
    expires_at: float
    node: str

    def shown(self, now: float) -> tuple[int, str]:
        """Its rank and status: on a call it is busy, whatever it says of itself (PR-24)."""
        return (BUSY.rank, BUSY.name) if self.busy_until > now else (self.rank, self.status)

    def takes(self, capability: str | None, now: float) -> bool:
        """Whether calls, or messages of that capability, come through to it; without one: whether it is there for
        anything. While it is on a call, messages still do (PR-24)."""
        if capability is None:
            return bool(self.available and self.capabilities) and self.busy_until <= now
        if capability not in self.capabilities or not self.incoming:
            return False
        return self.voice and self.busy_until <= now if capability == "voice" else self.messages


_fields_of_seen = attrgetter(*Seen._fields)


def seen(endpoint: Endpoint) -> Seen:
    return Seen._make(_fields_of_seen(endpoint))


@dataclass(frozen=True, kw_only=True)
class Consolidated:
    """A client's status out of its live endpoints; `expires_at` is when the last of them ends."""

    status: str
    available: bool
    capabilities: tuple[str, ...]
    note: str
    expires_at: float | None
    endpoints: tuple[Seen, ...]

    @property
    def told(self) -> tuple[object, ...]:
        """What watchers without sight of devices see; no difference, no event (PR-44)."""
        return self.status, self.available, self.capabilities, self.note


OFFLINE = Status.OFFLINE.value
NOBODY = Consolidated(
    status=OFFLINE, available=False, capabilities=(), note="", expires_at=None, endpoints=()
)


def consolidate(
    endpoints: Iterable[Seen], now: float, *, capability: str | None = None, hidden: bool = True
) -> Consolidated:
    """The highest-ranked status among live endpoints, ties by name; available when one of them is (PR-23).

    `capability` asks for that mode only (PR-27). Without `hidden`, as watchers see it (PR-25). The order of
    endpoints is fixed: priority, then rank, then the most recently active, then the id. The note is that of the
    first endpoint which has the client's status and one.
    """
    live = [one for one in endpoints if one.expires_at > now and (hidden or not one.hidden)]
    if not live:
        return NOBODY
    if len(live) == 1:
        one = live[0]
        status = one.shown(now)[1]
        return Consolidated(
            status=status,
            available=one.takes(capability, now),
            capabilities=one.capabilities,
            note=one.note,
            expires_at=one.expires_at,
            endpoints=(one,),
        )
    live.sort(key=lambda one: (-one.priority, -one.shown(now)[0], -one.refreshed_at, one.endpoint_id))
    status = min((one.shown(now) for one in live), key=lambda shown: (-shown[0], shown[1]))[1]
    notes = (one.note for one in live if one.note and one.shown(now)[1] == status)
    return Consolidated(
        status=status,
        available=any(one.takes(capability, now) for one in live),
        capabilities=_union(live),
        note=next(notes, ""),
        expires_at=max(one.expires_at for one in live),
        endpoints=tuple(live),
    )


def _union(endpoints: Sequence[Seen]) -> tuple[str, ...]:
    first = endpoints[0].capabilities
    if all(one.capabilities == first for one in endpoints):
        return first
    have = {capability for one in endpoints for capability in one.capabilities}
    return tuple(capability for capability in CAPABILITIES if capability in have)

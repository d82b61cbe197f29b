"""What the presence server says, as values. A newer server may say more than they know; that is left out."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One live device of a client; `takes`: which of its capabilities come through to it now."""

    endpoint_id: str
    status: str
    available: bool
    capabilities: tuple[str, ...]
    takes: tuple[str, ...]
    priority: int
    note: str
    hidden: bool
    incoming: bool
    last_seen: str
    expires_at: str
    node: str

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Self:
        known = _known(cls, found)
        return cls(**{**known, "capabilities": tuple(found["capabilities"]), "takes": tuple(found["takes"])})


@dataclass(frozen=True, kw_only=True)
class Presence:
    """Where a client can be reached now; nobody live: `offline`, no endpoints (PR-26).

    `endpoints` is empty too for callers who may not see devices. Times are ISO 8601 in UTC.
    """

    account_sid: str
    client: str
    status: str
    available: bool
    capabilities: tuple[str, ...]
    note: str
    version: int
    updated_at: str | None
    expires_at: str | None
    uri: str
    endpoints: tuple[Endpoint, ...]

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Self:
        return cls(**{**_known(cls, found), **_lists(found)})


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """Many clients at one sequence number of their account; `removed`: names that left the view since then."""

    as_of: int
    clients: tuple[Presence, ...]
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Reach:
    """Whom a name in <Client> stands for: one client, or the targets of a destination (`shared`), in its order."""

    name: str
    shared: bool
    as_of: int
    targets: tuple[Presence, ...]


@dataclass(frozen=True, kw_only=True)
class Rung:
    """Who rings for an invite; skipped endpoints with `busy`, `gone`, `not-incoming` or `not-voice`."""

    call_sid: str
    rung: tuple[str, ...]
    skipped: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class ClientMessage:
    """What became of a message to a client: `held` for its devices, or not kept, because `nobody` takes messages now
    or nobody its media (`no-media`). `version`: the client's, that this was decided on."""

    sid: str
    client: str
    status: str
    version: int
    endpoints: tuple[str, ...]
    skipped: Mapping[str, str]

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Self:
        skipped = {one["endpoint_id"]: one["reason"] for one in found["skipped"]}
        return cls(**{**_known(cls, found), "endpoints": tuple(found["endpoints"]), "skipped": skipped})


@dataclass(frozen=True, kw_only=True)
class Event:
    """A client after a change: number `sequence` of its account, at the moment `at` (PR-42)."""

    client: str
    available: bool
    status: str
    note: str
    capabilities: tuple[str, ...]
    version: int
    sequence: int
    at: str | None
    endpoints: tuple[Endpoint, ...]

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Self:
        return cls(**{**_known(cls, found), **_lists(found)})


@dataclass(frozen=True, kw_only=True)
class Message:
    """What watchers are told. A `snapshot` is everybody in view; else those who changed, and who left the view.

    A large snapshot comes in several messages; those before the last have `more`, and their `as_of` means nothing.
    """

    as_of: int
    snapshot: bool
    clients: tuple[Event, ...]
    removed: tuple[str, ...]
    more: bool = False

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Self:
        return cls(
            as_of=found["as_of"],
            snapshot=found["snapshot"],
            clients=tuple(map(Event.of, found["clients"])),
            removed=tuple(found["removed"]),
            more=found.get("more", False),
        )


def _lists(found: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "capabilities": tuple(found["capabilities"]),
        "endpoints": tuple(map(Endpoint.of, found.get("endpoints", ()))),
    }


def _known(kind: Any, found: Mapping[str, Any]) -> dict[str, Any]:
    return {field.name: found[field.name] for field in fields(kind) if field.name in found}

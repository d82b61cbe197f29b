"""Reads clients' presence out of the database: one consistent answer for any number of names."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import and_, bindparam, select

from foundation.db import Database
from presence.models import accounts, clients, endpoints
from presence.registration import Seen
from presence.rows import split

_CAPABILITIES = Seen._fields.index("capabilities")
_NAMED = (
    select(
        accounts.c.sequence,
        clients.c.client.label("name"),
        clients.c.version,
        clients.c.updated_at,
        *(endpoints.c[name] for name in Seen._fields),
    )
    .select_from(accounts)
    .outerjoin(
        clients,
        and_(
            clients.c.account_sid == accounts.c.account_sid,
            clients.c.client.in_(bindparam("names", expanding=True)),
        ),
    )
    .outerjoin(
        endpoints,
        and_(
            endpoints.c.account_sid == clients.c.account_sid,
            endpoints.c.client == clients.c.client,
            endpoints.c.expires_at > bindparam("now"),
        ),
    )
    .where(accounts.c.account_sid == bindparam("account"))
)


@dataclass(frozen=True, kw_only=True)
class Client:
    """A client as stored at one moment: its version and its live endpoints."""

    version: int = 0
    updated_at: float | None = None
    endpoints: tuple[Seen, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """Clients at one sequence number of their account (PR-35); who was never seen is absent."""

    as_of: int
    clients: dict[str, Client]


def snapshot(database: Database, account_sid: str, names: Iterable[str], now: float) -> Snapshot:
    """These clients, by one statement for any number of names (PR-34 to PR-36)."""
    with database.read() as connection:
        found = connection.execute(_NAMED, {"account": account_sid, "names": list(names), "now": now}).all()
    heads: dict[str, tuple[int, float]] = {}
    live: dict[str, list[Seen]] = {}
    for _, name, version, updated_at, *rest in found:
        if name is None:
            continue
        if name not in heads:
            heads[name], live[name] = (version, updated_at), []
        if rest[0] is not None:
            rest[_CAPABILITIES] = split(rest[_CAPABILITIES])
            live[name].append(Seen(*rest))
    return Snapshot(
        as_of=found[0][0] if found else 0,
        clients={
            name: Client(version=version, updated_at=updated_at, endpoints=tuple(live[name]))
            for name, (version, updated_at) in heads.items()
        },
    )

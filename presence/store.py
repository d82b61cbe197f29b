"""Registrations in the database: what `registration` decides, stored before it is acknowledged.

Each write is one unit of work of the group commit: the rule, the rows, the client's version and the change log in one
transaction (PS2 to PS5). A unit takes the account's row first, so several processes never decide at the same time.
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    Connection,
    and_,
    bindparam,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from foundation.db import Database
from presence.models import accounts, changes, clients, endpoints, keys
from presence.refusals import AccessRefused, Refusal
from presence.registration import CAP, Change, Endpoint, Registered, Seen, Status, register

SWEEP = 500
CHANGES_KEPT = 86_400.0
STATUSES = {status.value: status for status in Status}

_HERE = accounts.c.account_sid == bindparam("account")
_LOCK = (
    select(accounts.c.status, keys.c.revoked)
    .outerjoin_from(
        accounts,
        keys,
        and_(keys.c.account_sid == accounts.c.account_sid, keys.c.key_sid == bindparam("key")),
    )
    .where(_HERE)
    .with_for_update(of=accounts)
)
_KNOWN = select(endpoints).where(
    endpoints.c.account_sid == bindparam("account"), endpoints.c.client == bindparam("client")
)
_VERSION = select(clients.c.version).where(
    clients.c.account_sid == bindparam("account"), clients.c.client == bindparam("client")
)
_NEXT = update(accounts).where(_HERE).values(sequence=accounts.c.sequence + 1).returning(accounts.c.sequence)
_ROW = (
    (endpoints.c.account_sid == bindparam("a"))
    & (endpoints.c.client == bindparam("c"))
    & (endpoints.c.endpoint_id == bindparam("e"))
)
_DELETE = delete(endpoints).where(_ROW)
_TOUCH = (
    update(endpoints)
    .where(_ROW)
    .values(
        expires_at=bindparam("expires"),
        refreshed_at=bindparam("refreshed"),
    )
)
_ANY: Any = bindparam("names", expanding=True)
_SNAPSHOT = (
    select(
        accounts.c.sequence,
        clients.c.client.label("name"),
        clients.c.version,
        clients.c.updated_at,
        *(endpoints.c[name] for name in Seen._fields),
    )
    .select_from(accounts)
    .outerjoin(clients, and_(clients.c.account_sid == accounts.c.account_sid, clients.c.client.in_(_ANY)))
    .outerjoin(
        endpoints,
        and_(
            endpoints.c.account_sid == clients.c.account_sid,
            endpoints.c.client == clients.c.client,
            endpoints.c.expires_at > bindparam("now"),
        ),
    )
    .where(_HERE)
)

Key = tuple[str, str, str]
"""Account, client, endpoint id."""


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


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """A stored registration, the client's version after it and the account's sequence number."""

    registered: Registered
    version: int
    sequence: int


class Store:
    """The registrations of one database."""

    def __init__(self, database: Database) -> None:
        self.database = database
        upserting: Any = sqlite.insert if database.sqlite else postgresql.insert
        row = upserting(endpoints)
        self._upsert = row.on_conflict_do_update(
            index_elements=["account_sid", "client", "endpoint_id"],
            set_={
                column.name: row.excluded[column.name]
                for column in endpoints.columns
                if not column.primary_key
            },
        )
        bump = upserting(clients).values(version=1)
        self._bump = bump.on_conflict_do_update(
            index_elements=["account_sid", "client"],
            set_={"version": clients.c.version + 1, "updated_at": bump.excluded.updated_at},
        ).returning(clients.c.version)

    # Writing

    def register(
        self, asked: Endpoint, now: float, *, based_on: int | None = None, cap: int = CAP
    ) -> "Future[Accepted]":
        """Stores a registration; AccessRefused when the account or key went away meanwhile, StaleVersion per PR-16."""

        def work(connection: Connection) -> Accepted:
            whose = {"account": asked.account_sid, "client": asked.client}
            holder = connection.execute(_LOCK, {**whose, "key": asked.key_sid}).one_or_none()
            if holder is None or holder.status != "active":
                raise AccessRefused(Refusal.ACCOUNT)
            if asked.key_sid != asked.account_sid and holder.revoked is not False:
                raise AccessRefused(Refusal.ISSUER)
            known = [_endpoint(row) for row in connection.execute(_KNOWN, whose)]
            version = 0
            if known or based_on is not None:
                version = connection.execute(_VERSION, whose).scalar() or 0
            decided = register(asked, known, now, version=version, based_on=based_on, cap=cap)
            connection.execute(self._upsert, _values(decided.endpoint))
            if decided.evicted:
                self._remove(connection, decided.evicted, Change.EVICTED, now)
            if decided.change is None:
                return Accepted(registered=decided, version=version, sequence=0)
            sequence, version = self._log(connection, decided.endpoint, decided.change, now)
            return Accepted(registered=decided, version=version, sequence=sequence)

        return self.database.write(work, asked.account_sid)

    def unregister(
        self,
        account_sid: str,
        client: str,
        now: float,
        *,
        endpoint_id: str = "",
        sid: str = "",
    ) -> "Future[list[Endpoint]]":
        """Removes an endpoint by its id or its SID; nothing happens when it is not there (PR-15)."""

        def work(connection: Connection) -> list[Endpoint]:
            known = connection.execute(_KNOWN, {"account": account_sid, "client": client})
            gone = [one for one in map(_endpoint, known) if one.sid == sid or one.endpoint_id == endpoint_id]
            self._remove(connection, gone, Change.UNREGISTERED, now)
            return gone

        return self.database.write(work, account_sid)

    def revoke_in(
        self, connection: Connection, account_sid: str, key_sid: str | None, now: float
    ) -> list[Endpoint]:
        """Ends the registrations that were made with a key, or all of the account's (PR-7); part of a unit of work."""
        which = select(endpoints).where(endpoints.c.account_sid == account_sid)
        if key_sid is not None:
            which = which.where(endpoints.c.key_sid == key_sid)
        gone = [_endpoint(row) for row in connection.execute(which)]
        self._remove(connection, gone, Change.REVOKED, now)
        return gone

    def touch(self, lives: dict[Key, tuple[float, float]]) -> "Future[None]":
        """Many heartbeats as one statement: endpoint -> (refreshed_at, expires_at). Published to nobody (PR-13)."""

        def work(connection: Connection) -> None:
            connection.execute(
                _TOUCH,
                [
                    {"a": key[0], "c": key[1], "e": key[2], "refreshed": refreshed, "expires": expires}
                    for key, (refreshed, expires) in sorted(lives.items())
                ],
            )

        return self.database.write(work)

    def sweep(self, now: float) -> "Future[list[Endpoint]]":
        """Deletes and publishes up to SWEEP endpoints that have expired, and forgets old changes."""

        def work(connection: Connection) -> list[Endpoint]:
            due = select(endpoints).where(endpoints.c.expires_at <= now)
            due = due.order_by(endpoints.c.expires_at).limit(SWEEP)
            gone = [_endpoint(row) for row in connection.execute(due)]
            self._remove(connection, gone, Change.EXPIRED, now)
            connection.execute(delete(changes).where(changes.c.at < now - CHANGES_KEPT))
            return gone

        return self.database.write(work)

    def shorten(self, node: str, limit: float) -> "Future[list[Endpoint]]":
        """At the start of a node: its socket endpoints of before live until `limit` at most; answers with them."""

        def work(connection: Connection) -> list[Endpoint]:
            mine = (endpoints.c.node == node) & endpoints.c.socket
            connection.execute(
                update(endpoints).where(mine, endpoints.c.expires_at > limit).values(expires_at=limit)
            )
            return [_endpoint(row) for row in connection.execute(select(endpoints).where(mine))]

        return self.database.write(work)

    def _remove(self, connection: Connection, gone: Sequence[Endpoint], change: Change, now: float) -> None:
        if not gone:
            return
        connection.execute(
            _DELETE, [{"a": one.account_sid, "c": one.client, "e": one.endpoint_id} for one in gone]
        )
        for endpoint in sorted(gone, key=lambda one: one.account_sid):
            self._log(connection, endpoint, change, now)

    def _log(self, connection: Connection, endpoint: Endpoint, change: Change, now: float) -> tuple[int, int]:
        whose = {"account_sid": endpoint.account_sid, "client": endpoint.client}
        sequence = connection.execute(_NEXT, {"account": endpoint.account_sid}).scalar() or 0
        version = connection.execute(self._bump, {**whose, "updated_at": now}).scalar_one()
        row = {"sequence": sequence, "version": version, "endpoint_id": endpoint.endpoint_id}
        connection.execute(insert(changes), {**whose, **row, "kind": change.value, "at": now})
        return sequence, version

    # Reading

    def snapshot(self, account_sid: str, names: Iterable[str], now: float) -> Snapshot:
        """These clients in one consistent answer, by one statement for any number of names (PR-34 to PR-36)."""
        with self.database.read() as connection:
            rows = connection.execute(
                _SNAPSHOT, {"account": account_sid, "names": list(names), "now": now}
            ).all()
        heads: dict[str, tuple[int, float]] = {}
        live: dict[str, list[Seen]] = {}
        for _, name, version, updated_at, endpoint_id, status, capabilities, *rest in rows:
            if name is None:
                continue
            if name not in heads:
                heads[name], live[name] = (version, updated_at), []
            if endpoint_id is not None:
                live[name].append(Seen(endpoint_id, STATUSES[status], _split(capabilities), *rest))
        return Snapshot(
            as_of=rows[0][0] if rows else 0,
            clients={
                name: Client(version=version, updated_at=updated_at, endpoints=tuple(live[name]))
                for name, (version, updated_at) in heads.items()
            },
        )


def _values(endpoint: Endpoint) -> dict[str, Any]:
    return {
        **vars(endpoint),
        "status": endpoint.status.value,
        "capabilities": ",".join(endpoint.capabilities),
    }


@lru_cache(64)
def _split(capabilities: str) -> tuple[str, ...]:
    return tuple(capabilities.split(",")) if capabilities else ()


def _endpoint(row: Any) -> Endpoint:
    (
        account_sid, client, endpoint_id, sid, status, capabilities, priority, note, delivery, socket, node,
        key_sid, token_digest, token_expires_at, refreshed_at, expires_at,
    ) = row  # fmt: skip
    return Endpoint(
        account_sid=account_sid,
        client=client,
        endpoint_id=endpoint_id,
        sid=sid,
        status=STATUSES[status],
        capabilities=_split(capabilities),
        priority=priority,
        note=note,
        delivery=delivery,
        socket=bool(socket),
        node=node,
        key_sid=key_sid,
        token_digest=token_digest,
        token_expires_at=token_expires_at,
        refreshed_at=refreshed_at,
        expires_at=expires_at,
    )

"""Reads clients' presence out of the database: one consistent answer for any number of names."""

import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Boolean, Connection, Select, and_, bindparam, select, true

from foundation.db import Database
from foundation.permissions import Scope
from presence.models import accounts, clients, contacts, endpoints
from presence.reading.selecting import ACCOUNT, array, devices, given, names
from presence.reading.views import View
from presence.registration import Seen
from presence.rows import split

_CAPABILITIES = Seen._fields.index("capabilities")
_FLAGS = [place for place, name in enumerate(Seen._fields) if isinstance(endpoints.c[name].type, Boolean)]


class Client(NamedTuple):
    """A client as stored at one moment: its version and its live endpoints. A plain tuple, as Seen is."""

    version: int = 0
    updated_at: float | None = None
    endpoints: tuple[Seen, ...] = ()


NEVER_SEEN = Client()


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """Clients at one sequence number of their account (PR-35)."""

    as_of: int
    clients: dict[str, Client]


def snapshot(database: Database, account_sid: str, names: Collection[str], now: float) -> Snapshot:
    """These clients, by one statement for any number of names (PR-34 to PR-36); who was never seen is absent."""
    with database.read() as connection:
        return states(connection, account_sid, names, now)


def viewed(
    database: Database,
    account_sid: str,
    view: View,
    now: float,
    *,
    after: str = "",
    limit: int | None = None,
    changed_since: int | None = None,
) -> Snapshot:
    """The clients of a view in name order, from behind `after` on, by two statements for any number of them.

    Named clients and members of selected lists are in it also when they are offline or were never seen; of everyone
    and of a prefix those that are not offline, and those that changed after the sequence number `changed_since`.
    """
    sqlite, selection = database.sqlite, view.selection
    with frozen(database) as connection:
        found: list[str] = []
        if (
            after == ""
            and limit is None
            and not view.limits
            and selection == Scope(clients=selection.clients)
        ):
            found = sorted(selection.clients)
        elif selection:
            statement = names(view, sqlite, changed=changed_since is not None).limit(limit)
            asked = {"account": account_sid, "names": array(selection.clients, sqlite), "after": after}
            asked |= {"now": now, "hidden": view.hidden, "since": changed_since or 0}
            found = list(connection.execute(statement, asked).scalars())
        there = states(connection, account_sid, found, now, hidden=view.hidden)
    return Snapshot(as_of=there.as_of, clients={one: there.clients.get(one, NEVER_SEEN) for one in found})


def glimpse(database: Database, account_sid: str, view: View, name: str, now: float) -> Client:
    """One client; out of the view it is as if it was never seen, and found out by the same statements (PR-31)."""
    with frozen(database) as connection:
        there = states(connection, account_sid, [name], now, hidden=view.hidden).clients
        on: set[str] = set()
        if view.limits:
            on = set(connection.execute(_ON, {"account": account_sid, "client": name}).scalars())
    return there.get(name, NEVER_SEEN) if view.holds(name, on) else NEVER_SEEN


def states(
    connection: Connection, account_sid: str, names: Collection[str], now: float, *, hidden: bool = True
) -> Snapshot:
    """What `snapshot` does, on a connection; without `hidden`, devices that opted out are not there (PR-25)."""
    sqlite = connection.dialect.name == "sqlite"
    found = connection.execute(
        _SQLITE if sqlite else _POSTGRESQL,
        {"account": account_sid, "names": array(names, sqlite), "now": now, "hidden": hidden},
    ).all()
    return Snapshot(
        as_of=found[0][0] if found else 0,
        clients={name: client(*row) for _, name, *row in found if row[0] is not None},
    )


@lru_cache(5_000)
def client(version: int | None, updated_at: float | None, devices: str | None) -> Client:
    """A client out of its columns and its devices as `selecting.devices` reads them: three texts in place of dozens of
    columns, which mostly are the same as the last time."""
    if version is None:
        return NEVER_SEEN
    return Client(version, updated_at, tuple(map(_seen, json.loads(devices or "[]"))))


def _seen(device: list[Any]) -> Seen:
    device[_CAPABILITIES] = split(device[_CAPABILITIES])
    for field in _FLAGS:
        device[field] = bool(device[field])
    return Seen._make(device)


@contextmanager
def frozen(database: Database) -> Iterator[Connection]:
    """A connection on which several statements see one state of the database; SQLite's always do."""
    with database.read() as connection:
        if not database.sqlite:
            connection.execution_options(isolation_level="REPEATABLE READ")
        yield connection


_ON = select(contacts.c.list).where(
    contacts.c.account_sid == ACCOUNT, contacts.c.client == bindparam("client")
)


def _states(sqlite: bool) -> Select[Any]:
    asked = given(sqlite)
    named = and_(clients.c.account_sid == accounts.c.account_sid, clients.c.client == asked.c.value)
    return (
        select(accounts.c.sequence, asked.c.value, clients.c.version, clients.c.updated_at, devices(sqlite))
        .select_from(accounts)
        .outerjoin(asked, true())
        .outerjoin(clients, named)
        .where(accounts.c.account_sid == ACCOUNT)
    )


_SQLITE, _POSTGRESQL = _states(sqlite=True), _states(sqlite=False)

"""Whom a `<Dial>` reaches by a name: a client, or the targets of a destination of several accounts (PR-28, PR-50)."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Connection,
    FromClause,
    Select,
    Text,
    and_,
    bindparam,
    cast,
    func,
    literal,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY

from presence.models import accounts, clients, destination_targets
from presence.reading.selecting import devices
from presence.reading.snapshots import Client, client


class Wanted(NamedTuple):
    """A name in an account; `resolve`: it may be a destination's, otherwise it is a client's."""

    account_sid: str
    name: str
    resolve: bool


class Target(NamedTuple):
    """A client, of any account."""

    account_sid: str
    name: str
    client: Client


class Reached(NamedTuple):
    """The targets of a name, first choice first, at a sequence number of the account that asked. `shared`: the name
    is a destination's."""

    as_of: int
    shared: bool
    targets: tuple[Target, ...]


def reach(connection: Connection, wanted: Sequence[Wanted], now: float) -> list[Reached]:
    """All of these, with devices that opted out of being seen, by one statement for any number of names."""
    sqlite = connection.dialect.name == "sqlite"
    found = connection.execute(
        _SQLITE if sqlite else _POSTGRESQL, {**_parameters(wanted, sqlite), "now": now, "hidden": True}
    )
    heads = [0] * len(wanted)
    targets: list[list[tuple[int, Target]]] = [[] for _ in wanted]
    shared = [False] * len(wanted)
    for number, sequence, position, account_sid, name, *row in found:
        n = number - (not sqlite)
        heads[n], shared[n] = sequence or 0, position is not None
        targets[n].append((position or 0, Target(account_sid, name, client(*row))))
    return [
        Reached(as_of, is_shared, tuple(target for _, target in sorted(ordered)))
        for as_of, is_shared, ordered in zip(heads, shared, targets, strict=True)
    ]


def _parameters(wanted: Sequence[Wanted], sqlite: bool) -> dict[str, Any]:
    if sqlite:
        return {"wanted": json.dumps(wanted)}
    return {
        name: list(column) for name, column in zip(Wanted._fields, zip(*wanted, strict=True), strict=True)
    }


def _statement(
    sqlite: bool,
    wanted: FromClause,
    number: ColumnElement[Any],
    account: ColumnElement[Any],
    name: ColumnElement[Any],
    resolve: ColumnElement[Any],
) -> Select[Any]:
    targets = destination_targets.c
    owner = func.coalesce(targets.target_account_sid, account)
    target = func.coalesce(targets.target_client, name)
    return (
        select(
            number,
            accounts.c.sequence,
            targets.position,
            owner,
            target,
            clients.c.version,
            clients.c.updated_at,
            devices(sqlite),
        )
        .select_from(wanted)
        .outerjoin(accounts, accounts.c.account_sid == account)
        .outerjoin(destination_targets, and_(targets.account_sid == account, targets.name == name, resolve))
        .outerjoin(clients, and_(clients.c.account_sid == owner, clients.c.client == target))
    )


def _for_sqlite() -> Select[Any]:
    rows = func.json_each(bindparam("wanted", type_=Text)).table_valued("key", "value", name="wanted")
    part = [func.json_extract(rows.c.value, literal(f"$[{n}]", literal_execute=True)) for n in range(3)]
    return _statement(True, rows, rows.c.key, part[0], part[1], part[2])


def _for_postgresql() -> Select[Any]:
    columns = [bindparam(name, type_=ARRAY(Text)) for name in Wanted._fields[:2]]
    rows = (
        func.unnest(*columns, bindparam("resolve", type_=ARRAY(Boolean)))
        .table_valued(*Wanted._fields, with_ordinality="number", name="wanted")
        .render_derived()
    )
    return _statement(
        False, rows, rows.c.number, rows.c.account_sid, rows.c.name, cast(rows.c.resolve, Boolean)
    )


_SQLITE, _POSTGRESQL = _for_sqlite(), _for_postgresql()

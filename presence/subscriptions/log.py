"""Reads the change log: the lines after a number, and how far accounts are. Blocking; call it on a thread."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, select

from foundation.db import Database
from presence.models import accounts, changes, contacts
from presence.reading.snapshots import frozen
from presence.registration import Change
from presence.rows import split

_HEAD = select(accounts.c.sequence).where(accounts.c.account_sid == bindparam("account"))
_HEADS = select(accounts.c.account_sid, accounts.c.sequence).where(
    accounts.c.account_sid.in_(bindparam("accounts", expanding=True))
)
_AT_ONCE = 500  # accounts in one query
_MEMBERS = select(contacts.c.list, contacts.c.client).where(
    contacts.c.account_sid == bindparam("account"), contacts.c.list.in_(bindparam("lists", expanding=True))
)


class Entry(NamedTuple):
    """A line of the log: what happened to a client, and what watchers see of it afterwards."""

    sequence: int
    client: str
    version: int
    endpoint_id: str
    kind: str
    at: float
    visible: bool
    status: str
    available: bool
    capabilities: tuple[str, ...]
    note: str
    list: str

    @property
    def listed(self) -> bool:
        return self.kind == Change.LISTED


_LINES = (
    select(*(changes.c[name] for name in Entry._fields))
    .where(changes.c.account_sid == bindparam("account"), changes.c.sequence > bindparam("after"))
    .order_by(changes.c.sequence)
    .limit(bindparam("most"))
)
_CAPABILITIES = Entry._fields.index("capabilities")


@dataclass(frozen=True, kw_only=True)
class Tail:
    """The log's lines after `after` up to `as_of`. Not `whole`: some are not kept any more. `head` is the account's
    last number; None for an account that is not known."""

    after: int
    as_of: int
    head: int | None
    entries: tuple[Entry, ...]
    whole: bool


def tail(database: Database, account_sid: str, after: int, most: int) -> Tail:
    """At most `most` lines. Numbers have no gaps, so what is missing shows."""
    with database.read() as connection:
        return _tail(connection, account_sid, after, most)


def history(
    database: Database, account_sid: str, after: int, most: int, lists: Iterable[str]
) -> tuple[Tail, dict[str, set[str]]]:
    """The same, and who is on these contact lists after all of it."""
    with frozen(database) as connection:
        return _tail(connection, account_sid, after, most), _members(connection, account_sid, lists)


def heads(database: Database, account_sids: Collection[str]) -> dict[str, int]:
    """The last number of each of these accounts."""
    wanted = list(account_sids)
    with database.read() as connection:
        return {
            account_sid: sequence
            for n in range(0, len(wanted), _AT_ONCE)
            for account_sid, sequence in connection.execute(_HEADS, {"accounts": wanted[n : n + _AT_ONCE]})
        }


def members(database: Database, account_sid: str, lists: Iterable[str]) -> dict[str, set[str]]:
    """Who is on these contact lists."""
    with database.read() as connection:
        return _members(connection, account_sid, lists)


def _tail(connection: Connection, account_sid: str, after: int, most: int) -> Tail:
    head = connection.execute(_HEAD, {"account": account_sid}).scalar()
    found = connection.execute(_LINES, {"account": account_sid, "after": after, "most": most}).all()
    entries = tuple(map(_entry, found))
    as_of = entries[-1].sequence if entries else after
    whole = as_of - after == len(entries) and (len(entries) == most or as_of >= (head or 0) >= after)
    return Tail(after=after, as_of=as_of, head=head, entries=entries, whole=whole)


def _members(connection: Connection, account_sid: str, lists: Iterable[str]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {name: set() for name in lists}
    if found:
        for name, client in connection.execute(_MEMBERS, {"account": account_sid, "lists": list(found)}):
            found[name].add(client)
    return found


def _entry(row: Any) -> Entry:
    values = list(row)
    values[_CAPABILITIES] = split(values[_CAPABILITIES])
    return Entry(*values)

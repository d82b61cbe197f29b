"""Contact lists: named sets of clients, for rosters and for what tokens may read (PR-33).

Who is put on a list or taken from it gets a change that names the list, also a client that was never seen: so
subscribers of the list learn of it in the account's order.
"""

import re
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, delete, func, insert, select, update

from presence.changes import Happened, lock
from presence.faults import Absent, Conflict, Limited
from presence.models import contact_lists, contacts
from presence.registration import Change
from presence.store import Store

NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}\Z")
MOST_LISTS = 1000
MOST_CLIENTS = 1000  # on one list


@dataclass(frozen=True, kw_only=True)
class ContactList:
    """A list without its members; moments in Unix seconds."""

    name: str
    clients: int
    created_at: float
    updated_at: float


class ContactLists:
    """The lists of accounts, in the database."""

    def __init__(self, store: Store) -> None:
        self._database, self._log = store.database, store.log

    def all(
        self, account_sid: str, *, after: str, most: int, only: Iterable[str] | None
    ) -> list[ContactList]:
        """Lists in the order of their names; `only` those that the caller may read, None for all."""
        wanted = _LISTS.where(contact_lists.c.account_sid == account_sid, contact_lists.c.name > after)
        if only is not None:
            wanted = wanted.where(contact_lists.c.name.in_(list(only)))
        with self._database.read() as connection:
            return [ContactList(**row._mapping) for row in connection.execute(wanted.limit(most))]

    def find(self, account_sid: str, name: str) -> ContactList:
        """Absent."""
        with self._database.read() as connection:
            row = connection.execute(_LISTS.where(*_this(account_sid, name))).one_or_none()
        if row is None:
            raise absent(name)
        return ContactList(**row._mapping)

    def clients(self, account_sid: str, name: str, *, after: str = "", most: int = MOST_CLIENTS) -> list[str]:
        """Its members in the order of their names; Absent."""
        with self._database.read() as connection:
            _demand(connection, account_sid, name)
            theirs = _members(account_sid, name).where(contacts.c.client > after).limit(most)
            return list(connection.execute(theirs).scalars())

    def create(self, account_sid: str, name: str, clients: Sequence[str], now: float) -> "Future[None]":
        """Conflict when there is one of that name, Limited beyond MOST_LISTS, Absent without the account."""
        row = {"account_sid": account_sid, "name": name, "created_at": now, "updated_at": now}
        count = select(func.count()).where(contact_lists.c.account_sid == account_sid)

        def work(connection: Connection) -> None:
            lock(connection, account_sid)
            _demand_free(connection, account_sid, name)
            if connection.execute(count).scalar_one() >= MOST_LISTS:
                raise Limited(f"An account has at most {MOST_LISTS} contact lists.")
            connection.execute(insert(contact_lists), row)
            self._put(connection, account_sid, name, sorted(set(clients)), now)

        return self._database.write(work, account_sid)

    def rename(self, account_sid: str, name: str, to: str, now: float) -> "Future[None]":
        """Its members leave the old name and join the new one. Absent, Conflict."""

        def work(connection: Connection) -> None:
            lock(connection, account_sid)
            _demand(connection, account_sid, name)
            if name == to:
                return
            _demand_free(connection, account_sid, to)
            theirs = list(connection.execute(_members(account_sid, name)).scalars())
            connection.execute(
                update(contact_lists).where(*_this(account_sid, name)).values(name=to, updated_at=now)
            )
            connection.execute(update(contacts).where(*_on(account_sid, name)).values(list=to))
            self._tell(connection, account_sid, theirs, Change.UNLISTED, name, now)
            self._tell(connection, account_sid, theirs, Change.LISTED, to, now)

        return self._database.write(work, account_sid)

    def delete(self, account_sid: str, name: str, now: float) -> "Future[None]":
        """Its members leave it. Absent."""

        def work(connection: Connection) -> None:
            lock(connection, account_sid)
            _demand(connection, account_sid, name)
            theirs = list(connection.execute(_members(account_sid, name)).scalars())
            connection.execute(delete(contacts).where(*_on(account_sid, name)))
            connection.execute(delete(contact_lists).where(*_this(account_sid, name)))
            self._tell(connection, account_sid, theirs, Change.UNLISTED, name, now)

        return self._database.write(work, account_sid)

    def put(self, account_sid: str, name: str, client: str, now: float) -> "Future[bool]":
        """Puts a client on the list; false when it is there already. Absent, Limited beyond MOST_CLIENTS."""

        def work(connection: Connection) -> bool:
            lock(connection, account_sid)
            _demand(connection, account_sid, name)
            if connection.execute(_member(account_sid, name, client)).one_or_none() is not None:
                return False
            self._put(connection, account_sid, name, [client], now)
            return True

        return self._database.write(work, account_sid)

    def take(self, account_sid: str, name: str, client: str, now: float) -> "Future[bool]":
        """Takes a client from the list; false when it is not there. Absent without the list."""
        mine = delete(contacts).where(*_on(account_sid, name), contacts.c.client == client)

        def work(connection: Connection) -> bool:
            lock(connection, account_sid)
            _demand(connection, account_sid, name)
            if not connection.execute(mine).rowcount:
                return False
            self._tell(connection, account_sid, [client], Change.UNLISTED, name, now)
            return True

        return self._database.write(work, account_sid)

    def _put(
        self, connection: Connection, account_sid: str, name: str, clients: Sequence[str], now: float
    ) -> None:
        there = connection.execute(select(func.count()).where(*_on(account_sid, name))).scalar_one()
        if there + len(clients) > MOST_CLIENTS:
            raise Limited(f"A contact list has at most {MOST_CLIENTS} clients.")
        if clients:
            connection.execute(
                insert(contacts),
                [{"account_sid": account_sid, "list": name, "client": one} for one in clients],
            )
        self._tell(connection, account_sid, clients, Change.LISTED, name, now)

    def _tell(
        self,
        connection: Connection,
        account_sid: str,
        clients: Sequence[str],
        kind: Change,
        name: str,
        now: float,
    ) -> None:
        happened = [Happened(client=client, kind=kind, list=name) for client in clients]
        self._log.add_all(connection, account_sid, happened, now)
        connection.execute(update(contact_lists).where(*_this(account_sid, name)).values(updated_at=now))


def absent(name: str) -> Absent:
    return Absent(f"There is no contact list {name!r}.")


_LISTS = select(
    contact_lists.c.name,
    select(func.count())
    .where(contacts.c.account_sid == contact_lists.c.account_sid, contacts.c.list == contact_lists.c.name)
    .scalar_subquery()
    .label("clients"),
    contact_lists.c.created_at,
    contact_lists.c.updated_at,
).order_by(contact_lists.c.name)


def _this(account_sid: str, name: str) -> tuple[Any, Any]:
    return contact_lists.c.account_sid == account_sid, contact_lists.c.name == name


def _on(account_sid: str, name: str) -> tuple[Any, Any]:
    return contacts.c.account_sid == account_sid, contacts.c.list == name


def _members(account_sid: str, name: str) -> Select[Any]:
    return select(contacts.c.client).where(*_on(account_sid, name)).order_by(contacts.c.client)


def _member(account_sid: str, name: str, client: str) -> Select[Any]:
    return select(contacts.c.client).where(*_on(account_sid, name), contacts.c.client == client)


def _demand(connection: Connection, account_sid: str, name: str) -> None:
    if (
        connection.execute(select(contact_lists.c.name).where(*_this(account_sid, name))).one_or_none()
        is None
    ):
        raise absent(name)


def _demand_free(connection: Connection, account_sid: str, name: str) -> None:
    taken = select(contact_lists.c.name).where(*_this(account_sid, name))
    if connection.execute(taken).one_or_none() is not None:
        raise Conflict(f"There is a contact list {name!r} already.")

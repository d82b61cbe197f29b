"""The statuses that an account defines beside the built-in ones (PR-21).

Devices carry what their status meant when it was set, so that no reader needs this table; therefore a new meaning is
written to all who have the status, in the same unit of work.
"""

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, delete, exists, func, insert, or_, select, update

from presence.changes import Happened, lock
from presence.faults import Absent, Conflict, Limited
from presence.models import clients, endpoints, statuses
from presence.registration import Change
from presence.statuses import BUILT_IN, MOST, StatusKind, kind_of
from presence.store import Store

MOST_CHANGED = 10_000
"""Devices that may have a status when its meaning is changed: it is one transaction."""


class Vocabulary:
    """The statuses of accounts, in the database."""

    def __init__(self, store: Store) -> None:
        self._store, self._database = store, store.database

    def all(self, account_sid: str) -> list[StatusKind]:
        """The account's own, by name."""
        mine = select(statuses).where(statuses.c.account_sid == account_sid).order_by(statuses.c.name)
        with self._database.read() as connection:
            return [kind_of(row) for row in connection.execute(mine)]

    def find(self, account_sid: str, name: str) -> StatusKind:
        """A built-in status or one of the account's; Absent."""
        if name in BUILT_IN:
            return BUILT_IN[name]
        with self._database.read() as connection:
            return _own(connection, account_sid, name)

    def create(self, account_sid: str, kind: StatusKind, now: float) -> "Future[StatusKind]":
        """Conflict when the name is taken, Limited beyond MOST, Absent without the account."""
        row = {**vars(kind), "account_sid": account_sid, "created_at": now, "updated_at": now}
        mine = select(func.count()).where(statuses.c.account_sid == account_sid)

        def work(connection: Connection) -> StatusKind:
            lock(connection, account_sid)
            if connection.execute(select(exists().where(*_this(account_sid, kind.name)))).scalar():
                raise Conflict(f"There is a status {kind.name!r} already.")
            if connection.execute(mine).scalar_one() >= MOST:
                raise Limited(f"An account has at most {MOST} statuses of its own.")
            connection.execute(insert(statuses), row)
            return kind

        return self._database.write(work, account_sid)

    def change(
        self, account_sid: str, name: str, meaning: Mapping[str, Any], now: float
    ) -> "Future[StatusKind]":
        """Another `rank`, `voice` or `messages`, also for the devices that have the status now; each of their
        clients gets a change. Absent; Conflict when more than MOST_CHANGED devices have it."""
        has = (endpoints.c.account_sid == account_sid, endpoints.c.status == name)
        theirs = select(endpoints.c.client, endpoints.c.expires_at).where(*has).order_by(endpoints.c.client)

        def work(connection: Connection) -> StatusKind:
            lock(connection, account_sid)
            before = _own(connection, account_sid, name)
            after = replace(before, **meaning)
            if after == before:
                return after
            found = connection.execute(theirs.limit(MOST_CHANGED + 1)).all()
            if len(found) > MOST_CHANGED:
                raise Conflict(
                    f"More than {MOST_CHANGED} devices have the status {name!r}: define another one."
                )
            connection.execute(
                update(statuses).where(*_this(account_sid, name)).values(**meaning, updated_at=now)
            )
            connection.execute(update(endpoints).where(*has).values(**meaning))
            touched = dict.fromkeys(one.client for one in found if one.expires_at > now)
            happened = [Happened(client=client, kind=Change.UPDATED) for client in touched]
            self._store.log.add_all(connection, account_sid, happened, now)
            return after

        return self._database.write(work, account_sid)

    def delete(self, account_sid: str, name: str) -> "Future[None]":
        """Absent; Conflict while a device has it or a client chose it."""
        in_use = select(
            or_(
                exists().where(endpoints.c.account_sid == account_sid, endpoints.c.status == name),
                exists().where(clients.c.account_sid == account_sid, clients.c.chosen_status == name),
            )
        )

        def work(connection: Connection) -> None:
            lock(connection, account_sid)
            _own(connection, account_sid, name)
            if connection.execute(in_use).scalar():
                raise Conflict(f"The status {name!r} is in use.")
            connection.execute(delete(statuses).where(*_this(account_sid, name)))

        return self._database.write(work, account_sid)


def absent(name: str) -> Absent:
    return Absent(f"There is no status {name!r} of the account.")


def _this(account_sid: str, name: str) -> tuple[Any, Any]:
    return statuses.c.account_sid == account_sid, statuses.c.name == name


def _own(connection: Connection, account_sid: str, name: str) -> StatusKind:
    row = connection.execute(select(statuses).where(*_this(account_sid, name))).one_or_none()
    if row is None:
        raise absent(name)
    return kind_of(row)

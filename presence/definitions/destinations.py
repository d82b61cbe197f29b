"""Destinations: names that stand for several clients, also of other accounts, first choice first (PR-28, PR-61).

To a `<Dial>` such a name is a client's. One level only: who looks a destination up takes its targets as clients.
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, delete, exists, func, insert, or_, select, update

from presence.changes import lock
from presence.faults import Absent, CallerFault, Conflict, Limited
from presence.models import accounts, destination_targets, destinations
from presence.store import Store

MOST = 1000
MOST_TARGETS = 50


class Target(NamedTuple):
    """A client of an account."""

    account_sid: str
    client: str


@dataclass(frozen=True, kw_only=True)
class Destination:
    """Moments in Unix seconds."""

    name: str
    targets: tuple[Target, ...]
    created_at: float
    updated_at: float


class TargetRefused(CallerFault):
    """A target that can't be one; the message says which and why."""


class Destinations:
    """The destinations of accounts, in the database."""

    def __init__(self, store: Store) -> None:
        self._database = store.database

    def all(self, account_sid: str, *, after: str, most: int) -> list[Destination]:
        """In the order of their names."""
        wanted = (
            select(destinations)
            .where(destinations.c.account_sid == account_sid, destinations.c.name > after)
            .order_by(destinations.c.name)
            .limit(most)
        )
        with self._database.read() as connection:
            found = connection.execute(wanted).all()
            theirs = _targets(connection, account_sid, [row.name for row in found])
        return [_destination(row, theirs) for row in found]

    def find(self, account_sid: str, name: str) -> Destination:
        """Absent."""
        with self._database.read() as connection:
            row = connection.execute(select(destinations).where(*_this(account_sid, name))).one_or_none()
            theirs = _targets(connection, account_sid, [name])
        if row is None:
            raise absent(name)
        return _destination(row, theirs)

    def put(self, account_sid: str, name: str, targets: Sequence[Target], now: float) -> "Future[bool]":
        """Makes or replaces it at once; true when it is new. TargetRefused; Conflict when another destination of
        the account has this name as its target; Limited; Absent without the account."""
        rows = [
            {
                "account_sid": account_sid,
                "name": name,
                "position": position,
                "target_account_sid": target.account_sid,
                "target_client": target.client,
            }
            for position, target in enumerate(targets)
        ]
        mine = select(func.count()).where(destinations.c.account_sid == account_sid)

        def work(connection: Connection) -> bool:
            lock(connection, account_sid)
            _demand_clients(connection, account_sid, name, targets)
            renewed = update(destinations).where(*_this(account_sid, name)).values(updated_at=now)
            created = not connection.execute(renewed).rowcount
            if created:
                if connection.execute(mine).scalar_one() >= MOST:
                    raise Limited(f"An account has at most {MOST} destinations.")
                row = {"account_sid": account_sid, "name": name, "created_at": now, "updated_at": now}
                connection.execute(insert(destinations), row)
            connection.execute(delete(destination_targets).where(*_of(account_sid, name)))
            connection.execute(insert(destination_targets), rows)
            return created

        return self._database.write(work, account_sid)

    def delete(self, account_sid: str, name: str) -> "Future[None]":
        """Absent."""

        def work(connection: Connection) -> None:
            lock(connection, account_sid)
            if not connection.execute(delete(destinations).where(*_this(account_sid, name))).rowcount:
                raise absent(name)
            connection.execute(delete(destination_targets).where(*_of(account_sid, name)))

        return self._database.write(work, account_sid)


def _demand_clients(connection: Connection, account_sid: str, name: str, targets: Sequence[Target]) -> None:
    """Targets are clients of known accounts, and none is a destination itself."""
    theirs = {target.account_sid for target in targets}
    known = connection.execute(select(accounts.c.account_sid).where(accounts.c.account_sid.in_(theirs)))
    if unknown := theirs - set(known.scalars()):
        raise TargetRefused(f"There is no account {min(unknown)}.")
    is_one = [
        and_(destinations.c.account_sid == target.account_sid, destinations.c.name == target.client)
        for target in targets
    ]
    chained = connection.execute(select(destinations.c.name).where(or_(*is_one))).scalars().first()
    if chained is not None or Target(account_sid, name) in targets:
        raise TargetRefused(f"{chained or name!r} is itself a destination; targets are clients.")
    targeted = exists().where(
        destination_targets.c.account_sid == account_sid,
        destination_targets.c.name != name,
        destination_targets.c.target_account_sid == account_sid,
        destination_targets.c.target_client == name,
    )
    if connection.execute(select(targeted)).scalar():
        raise Conflict(f"{name!r} is a target of another destination; it can't be one itself.")


def absent(name: str) -> Absent:
    return Absent(f"There is no destination {name!r}.")


def _this(account_sid: str, name: str) -> tuple[Any, Any]:
    return destinations.c.account_sid == account_sid, destinations.c.name == name


def _of(account_sid: str, name: str) -> tuple[Any, Any]:
    return destination_targets.c.account_sid == account_sid, destination_targets.c.name == name


def _targets(connection: Connection, account_sid: str, names: Iterable[str]) -> dict[str, list[Target]]:
    """Of these destinations, in order."""
    table = destination_targets.c
    wanted = (
        select(table.name, table.target_account_sid, table.target_client)
        .where(table.account_sid == account_sid, table.name.in_(list(names)))
        .order_by(table.name, table.position)
    )
    found: dict[str, list[Target]] = {}
    for name, target_account_sid, client in connection.execute(wanted):
        found.setdefault(name, []).append(Target(target_account_sid, client))
    return found


def _destination(row: Any, targets: dict[str, list[Target]]) -> Destination:
    return Destination(
        name=row.name,
        targets=tuple(targets.get(row.name, ())),
        created_at=row.created_at,
        updated_at=row.updated_at,
    )

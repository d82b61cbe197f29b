"""Registrations of one moment: decided one after the other in memory, and stored by a few statements for all of them.

Part of the group commit (`Database.gather`): a device that is one of hundreds that come back at once costs a fraction
of one that comes alone, and what is refused to one changes nothing for the others.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from presence import rows
from presence.access.refusals import AccessRefused
from presence.changes import ChangeLog, ClientRow, Draft, Happened, as_seen
from presence.models import accounts, endpoints
from presence.registration import Change, Endpoint, Registered, StaleVersion, register
from presence.standing import Bearer, Standing, standings
from presence.statuses import StatusKind

ROW = (
    (endpoints.c.account_sid == bindparam("a"))
    & (endpoints.c.client == bindparam("c"))
    & (endpoints.c.endpoint_id == bindparam("e"))
)
DELETE = delete(endpoints).where(ROW)
_LOCKS = (
    select(accounts.c.account_sid)
    .where(accounts.c.account_sid.in_(bindparam("accounts", expanding=True)))
    .order_by(accounts.c.account_sid)
    .with_for_update()
)
_COUNT = (
    update(accounts)
    .where(accounts.c.account_sid == bindparam("account"))
    .values(sequence=accounts.c.sequence + bindparam("count"))
)
_NOT_BY_SOCKET = ("capabilities", "priority", "delivery")


class StatusUnknown(Exception):
    """No status of that name: neither built in nor the account's."""


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """A stored registration, the client's version after it and the account's last sequence number: from there on
    the change log says what came later (PR-17)."""

    registered: Registered
    version: int
    sequence: int


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A registration that a client wants; see `Store.register`."""

    endpoint: Endpoint
    now: float
    status: str | None
    note: str | None
    based_on: int | None
    cap: int


class Joining:
    """Stores registrations. `kind` reads what a status means, and raises StatusUnknown."""

    def __init__(
        self, log: ChangeLog, kind: Callable[[Connection, str, str], StatusKind], *, sqlite_: bool
    ) -> None:
        self._log, self._kind, self._sqlite = log, kind, sqlite_
        upserting: Any = sqlite.insert if sqlite_ else postgresql.insert
        row = upserting(endpoints)
        self.upsert = row.on_conflict_do_update(
            index_elements=["account_sid", "client", "endpoint_id"],
            set_={
                column.name: row.excluded[column.name]
                for column in endpoints.columns
                if not column.primary_key
            },
        )

    def together(self, connection: Connection, asked: Sequence[Asked]) -> list[Accepted | Exception]:
        """Registers them in their order; AccessRefused, StaleVersion or StatusUnknown for those that are not."""
        if not self._sqlite:  # whose only writer needs no locks
            connection.execute(
                _LOCKS, {"accounts": sorted({one.endpoint.account_sid for one in asked})}
            ).all()
        found = standings(connection, [Bearer.of(one.endpoint) for one in asked])
        moment = _Moment(lambda account_sid, name: self._kind(connection, account_sid, name))
        answers: list[Accepted | Exception] = []
        for one, stands in zip(asked, found, strict=True):
            try:
                answers.append(moment.register(one, stands))
            except (AccessRefused, StaleVersion, StatusUnknown) as refused:
                answers.append(refused)
        self._store(connection, moment)
        return answers

    def keep(self, connection: Connection, decided: Registered, stands: Standing, now: float) -> Accepted:
        """Stores and publishes what was decided of one client as it stands."""
        moment = _Moment(lambda account_sid, name: self._kind(connection, account_sid, name))
        accepted = moment.keep(decided, stands.client, stands.endpoints, stands.sequence, now)
        self._store(connection, moment)
        return accepted

    def _store(self, connection: Connection, moment: "_Moment") -> None:
        if moment.gone:
            connection.execute(DELETE, [{"a": a, "c": c, "e": e} for a, c, e in moment.gone])
        if moment.there:
            connection.execute(self.upsert, [rows.values(one) for one in moment.there.values()])
        if moment.counts:
            counts = [{"account": one, "count": count} for one, count in sorted(moment.counts.items())]
            connection.execute(_COUNT, counts)
        self._log.write(connection, moment.draft)


class _Moment:
    """The clients as they are while registrations are decided, and what there is to store afterwards."""

    def __init__(self, kind: Callable[[str, str], StatusKind]) -> None:
        self._kind = kind
        self._clients: dict[tuple[str, str], tuple[ClientRow, tuple[Endpoint, ...]]] = {}
        self._sequences: dict[str, int] = {}
        self.there: dict[tuple[str, str, str], Endpoint] = {}
        self.gone: dict[tuple[str, str, str], None] = {}
        self.counts: dict[str, int] = {}
        self.draft = Draft()

    def register(self, asked: Asked, stands: Standing) -> Accepted:
        stands.demand()
        one, now = asked.endpoint, asked.now
        whose = (one.account_sid, one.client)
        row, known = self._clients.get(whose, (stands.client, stands.endpoints))
        sequence = self._sequences.setdefault(one.account_sid, stands.sequence)
        before = next(
            (other for other in known if other.endpoint_id == one.endpoint_id and other.live(now)), None
        )
        kept = (before.status, before.note) if before else row.chosen
        kind = self._kind(one.account_sid, asked.status or kept[0])
        changed: dict[str, Any] = {"note": kept[1] if asked.note is None else asked.note}
        if before is not None and one.socket:  # which has no words for these; they were set over HTTP
            changed |= {name: getattr(before, name) for name in _NOT_BY_SOCKET}
        full = one.of_kind(kind, **changed)
        decided = register(full, known, now, version=row.version, based_on=asked.based_on, cap=asked.cap)
        return self.keep(decided, row, known, sequence, now)

    def keep(
        self, decided: Registered, row: ClientRow, known: Sequence[Endpoint], sequence: int, now: float
    ) -> Accepted:
        one = decided.endpoint
        for evicted in decided.evicted:
            self.gone[_key(evicted)] = None
            self.there.pop(_key(evicted), None)
        self.gone.pop(_key(one), None)
        self.there[_key(one)] = one
        left = {one.endpoint_id, *(evicted.endpoint_id for evicted in decided.evicted)}
        after = (*(other for other in known if other.endpoint_id not in left), one)
        happened = [
            Happened(client=one.client, kind=Change.EVICTED, endpoint_id=evicted.endpoint_id)
            for evicted in decided.evicted
        ]
        if decided.change is not None:
            happened.append(Happened(client=one.client, kind=decided.change, endpoint_id=one.endpoint_id))
            told, looked = as_seen(after, now), as_seen(known, now)
            for change in happened:
                sequence += 1
                row = self.draft.add(one.account_sid, change, sequence, row, told, now, looked=looked)
                looked = told
            self._sequences[one.account_sid] = sequence
            self.counts[one.account_sid] = self.counts.get(one.account_sid, 0) + len(happened)
        self._clients[one.account_sid, one.client] = (row, after)
        return Accepted(registered=decided, version=row.version, sequence=sequence)


def _key(endpoint: Endpoint) -> tuple[str, str, str]:
    return endpoint.account_sid, endpoint.client, endpoint.endpoint_id

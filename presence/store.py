"""Registrations in the database: what `registration` decides, stored before it is acknowledged.

Each write is one unit of work of the group commit: the rule, the rows, the client's version and the change log in one
transaction (PS2 to PS5). A unit takes the account's row first, so several processes never decide at the same time.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from foundation.db import Database
from presence import rows
from presence.changes import CLIENT, KNOWN, LOCK, ChangeLog, ClientRow, Happened, client_row, lock
from presence.models import changes, endpoints, revocations, statuses
from presence.registration import CAP, Change, Endpoint, Registered, StaleVersion, register
from presence.standing import Standing, standing
from presence.statuses import AVAILABLE, BUILT_IN, StatusKind, kind_of

SWEEP = 500
CHANGES_KEPT = 86_400.0

_ROW = (
    (endpoints.c.account_sid == bindparam("a"))
    & (endpoints.c.client == bindparam("c"))
    & (endpoints.c.endpoint_id == bindparam("e"))
)
_DELETE = delete(endpoints).where(_ROW)
_NOT_BY_SOCKET = ("capabilities", "priority", "delivery")
_ENGAGE = update(endpoints).where(_ROW).values(busy_until=bindparam("until"))

Key = tuple[str, str, str]
"""Account, client, endpoint id."""


class StatusUnknown(Exception):
    """No status of that name: neither built in nor the account's."""


class NotRegistered(Exception):
    """The client has no such live registration."""


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """A stored registration, the client's version after it and the account's last sequence number: from there on
    the change log says what came later (PR-17)."""

    registered: Registered
    version: int
    sequence: int


class Store:
    """The registrations of one database."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.log = ChangeLog(sqlite_=database.sqlite)
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

    # What clients say

    def register(
        self,
        asked: Endpoint,
        now: float,
        *,
        status: str | None = None,
        note: str | None = None,
        based_on: int | None = None,
        cap: int = CAP,
    ) -> "Future[Accepted]":
        """Stores a registration. Without a status or note: those that the device had, else those that the client
        chose for itself.

        AccessRefused when the account or key went away meanwhile, StaleVersion per PR-16, StatusUnknown.
        """

        def work(connection: Connection) -> Accepted:
            stands = self._standing(connection, asked)
            stands.demand()
            before = next(
                (one for one in stands.endpoints if one.endpoint_id == asked.endpoint_id and one.live(now)),
                None,
            )
            kept = (before.status, before.note) if before else stands.client.chosen
            kind = self._kind(connection, asked.account_sid, status or kept[0])
            full = replace(asked, note=kept[1] if note is None else note).of_kind(kind)
            if before is not None and asked.socket:  # which has no words for these; they were set over HTTP
                full = replace(full, **{name: getattr(before, name) for name in _NOT_BY_SOCKET})
            version = stands.client.version
            decided = register(full, stands.endpoints, now, version=version, based_on=based_on, cap=cap)
            return self._accept(connection, stands, decided, now)

        return self.database.write(work, asked.account_sid)

    def change(
        self,
        account_sid: str,
        client: str,
        sid: str,
        now: float,
        *,
        status: str | None = None,
        fields: Mapping[str, Any] | None = None,
        based_on: int | None = None,
    ) -> "Future[Accepted]":
        """Changes a live registration's status, and fields of Endpoint such as note, priority, expires_at or those
        of a newer token; it ends with the token at the latest.

        NotRegistered, AccessRefused, StaleVersion, StatusUnknown.
        """
        wanted = dict(fields or {})

        def work(connection: Connection) -> Accepted:
            connection.execute(LOCK, {"account": account_sid})
            known = connection.execute(KNOWN, {"account": account_sid, "client": client})
            before = next(
                (one for one in map(rows.endpoint, known) if one.sid == sid and one.live(now)), None
            )
            if before is None:
                raise NotRegistered
            asked = replace(before, refreshed_at=now, **wanted)
            asked = replace(asked, expires_at=min(asked.expires_at, asked.token_expires_at))
            if status is not None:
                asked = asked.of_kind(self._kind(connection, account_sid, status))
            stands = self._standing(connection, asked)
            stands.demand()
            version = stands.client.version
            decided = register(asked, stands.endpoints, now, version=version, based_on=based_on)
            return self._accept(connection, stands, decided, now)

        return self.database.write(work, account_sid)

    def registrations(self, account_sid: str, client: str) -> Standing:
        """The client's registrations, expired ones too, with its version and the account's sequence of one moment."""
        with self.database.read() as connection:
            return standing(
                connection, account_sid, client, key_sid="", token_id="", token_digest="", issued_at=0.0
            )

    def _standing(self, connection: Connection, asked: Endpoint) -> Standing:
        if not self.database.sqlite:  # whose only writer needs no locks
            connection.execute(LOCK, {"account": asked.account_sid})
        return standing(
            connection,
            asked.account_sid,
            asked.client,
            key_sid=asked.key_sid,
            token_id=asked.token_id,
            token_digest=asked.token_digest,
            issued_at=asked.token_issued_at,
        )

    def _accept(self, connection: Connection, stands: Standing, decided: Registered, now: float) -> Accepted:
        """Stores and publishes what was decided."""
        one, version, sequence = decided.endpoint, stands.client.version, stands.sequence
        connection.execute(self._upsert, rows.values(one))
        before: ClientRow | None = stands.client
        if decided.evicted:
            were = {one.client: stands.endpoints}
            self.remove_in(connection, decided.evicted, Change.EVICTED, now, were)
            before = None
        if decided.change is not None:
            gone = {one.endpoint_id, *(evicted.endpoint_id for evicted in decided.evicted)}
            logged = self.log.add(
                connection,
                one.account_sid,
                one.client,
                decided.change,
                now,
                endpoint_id=one.endpoint_id,
                after=[*(other for other in stands.endpoints if other.endpoint_id not in gone), one],
                before=before,
                was=None if decided.evicted else stands.endpoints,
            )
            version, sequence = logged.version, logged.sequence
        return Accepted(registered=decided, version=version, sequence=sequence)

    def choose(
        self,
        account_sid: str,
        client: str,
        status: str,
        note: str,
        now: float,
        *,
        based_on: int | None = None,
    ) -> "Future[int]":
        """The client's own status, for all its devices now and later; "" for none of its own: devices are available
        again. Answers with the client's version. Absent without the account, StaleVersion, StatusUnknown."""

        def work(connection: Connection) -> int:
            whose = {"account": account_sid, "client": client}
            lock(connection, account_sid)
            before = client_row(connection.execute(CLIENT, whose).one_or_none())
            if based_on is not None and based_on != before.version:
                raise StaleVersion(f"the client is at version {before.version}, not {based_on}")
            kind = self._kind(connection, account_sid, status)
            known = [rows.endpoint(one) for one in connection.execute(KNOWN, whose)]
            after = [replace(one.of_kind(kind), note=note) for one in known]
            if after == known and before.chosen == (status, note):
                return before.version
            self.log.choose(connection, account_sid, client, status, note)
            if after:
                connection.execute(self._upsert, [rows.values(one) for one in after])
            before = before._replace(chosen_status=status, chosen_note=note)
            logged = self.log.add(
                connection, account_sid, client, Change.CHOSE, now, after=after, before=before, was=known
            )
            return logged.version

        return self.database.write(work, account_sid)

    def unregister(
        self, account_sid: str, client: str, now: float, *, endpoint_id: str = "", sid: str = ""
    ) -> "Future[list[Endpoint]]":
        """Removes an endpoint by its id or its SID; nothing happens when it is not there (PR-15)."""

        def work(connection: Connection) -> list[Endpoint]:
            connection.execute(LOCK, {"account": account_sid})
            found = connection.execute(KNOWN, {"account": account_sid, "client": client})
            known = [rows.endpoint(row) for row in found]
            gone = [one for one in known if one.sid == sid or one.endpoint_id == endpoint_id]
            self.remove_in(connection, gone, Change.UNREGISTERED, now, {client: known})
            return gone

        return self.database.write(work, account_sid)

    # What else happens to them; the `_in` are parts of a unit of work that has the account's lock

    def revoke_in(
        self, connection: Connection, account_sid: str, which: ColumnElement[bool] | None, now: float
    ) -> list[Endpoint]:
        """Ends the account's registrations that match, or all of them (PR-7)."""
        mine = select(endpoints).where(endpoints.c.account_sid == account_sid)
        gone = [
            rows.endpoint(row) for row in connection.execute(mine if which is None else mine.where(which))
        ]
        self.remove_in(connection, gone, Change.REVOKED, now)
        return gone

    def engage_in(
        self,
        connection: Connection,
        account_sid: str,
        client: str,
        endpoint_id: str,
        until: float,
        now: float,
    ) -> None:
        """The device is on a call until then; 0 when it is on none any more (PR-24). Nothing if it has gone."""
        known = [
            rows.endpoint(row)
            for row in connection.execute(KNOWN, {"account": account_sid, "client": client})
        ]
        before = next((one for one in known if one.endpoint_id == endpoint_id), None)
        if before is None or before.busy_until == until:
            return
        connection.execute(_ENGAGE, {"a": account_sid, "c": client, "e": endpoint_id, "until": until})
        if (before.busy_until > now) != (until > now) or (0 < before.busy_until <= now and until == 0):
            after = [replace(one, busy_until=until) if one is before else one for one in known]
            kind = Change.ENGAGED if until > now else Change.FREE
            self.log.add(
                connection,
                account_sid,
                client,
                kind,
                now,
                endpoint_id=endpoint_id,
                after=after,
                was=known,
            )

    def sweep(self, now: float) -> "list[Future[list[Endpoint]]]":
        """Deletes and publishes what has expired, frees devices of calls that nobody speaks for any more, up to SWEEP
        of an account, and forgets old changes: a unit of work per account. It reads, so call it on a thread."""
        expired, lapsed = endpoints.c.expires_at <= now, endpoints.c.busy_until.between(1, now)
        due = select(endpoints.c.account_sid).distinct().where(expired | lapsed).limit(SWEEP)
        with self.database.read() as connection:
            found = sorted(connection.execute(due).scalars())
            old = connection.execute(
                select(changes.c.sequence).where(changes.c.at < now - CHANGES_KEPT).limit(1)
            )
            old_ones = old.first() is not None
        if old_ones:
            self.database.write(_forget(delete(changes).where(changes.c.at < now - CHANGES_KEPT)))
            self.database.write(_forget(delete(revocations).where(revocations.c.until < now)))
        return [self.database.write(self._swept(account_sid, now), account_sid) for account_sid in found]

    def _swept(self, account_sid: str, now: float) -> Callable[[Connection], list[Endpoint]]:
        mine = select(endpoints).where(endpoints.c.account_sid == account_sid)
        names = endpoints.c.client, endpoints.c.endpoint_id
        ended = mine.where(endpoints.c.expires_at <= now).order_by(endpoints.c.expires_at, *names)
        expired = ended.limit(SWEEP)
        lapsed = mine.where(endpoints.c.busy_until.between(1, now)).order_by(*names).limit(SWEEP)

        def work(connection: Connection) -> list[Endpoint]:
            connection.execute(LOCK, {"account": account_sid})
            gone = [rows.endpoint(row) for row in connection.execute(expired)]
            self.remove_in(connection, gone, Change.EXPIRED, now)
            for one in [rows.endpoint(row) for row in connection.execute(lapsed)]:
                self.engage_in(connection, account_sid, one.client, one.endpoint_id, 0.0, now)
            return gone

        return work

    def remove_in(
        self,
        connection: Connection,
        gone: Sequence[Endpoint],
        change: Change,
        now: float,
        were: Mapping[str, Sequence[Endpoint]] | None = None,
    ) -> None:
        """Deletes and publishes these endpoints of one account. `were`: all that their clients had."""
        if not gone:
            return
        connection.execute(
            _DELETE, [{"a": one.account_sid, "c": one.client, "e": one.endpoint_id} for one in gone]
        )
        happened = [Happened(client=one.client, kind=change, endpoint_id=one.endpoint_id) for one in gone]
        self.log.add_all(connection, gone[0].account_sid, happened, now, were=were)

    @staticmethod
    def _kind(connection: Connection, account_sid: str, name: str) -> StatusKind:
        if not name:
            return AVAILABLE
        if name in BUILT_IN:
            return BUILT_IN[name]
        found = connection.execute(
            select(statuses).where(statuses.c.account_sid == account_sid, statuses.c.name == name)
        ).one_or_none()
        if found is None:
            raise StatusUnknown(name)
        return kind_of(found)


def _forget(statement: Any) -> Callable[[Connection], None]:
    def work(connection: Connection) -> None:
        connection.execute(statement)

    return work


def all_of(futures: Iterable["Future[list[Endpoint]]"], timeout: float) -> list[Endpoint]:
    """What several units answered; blocks."""
    return [one for future in futures for one in future.result(timeout)]

"""Registrations in the database: what `registration` decides, stored before it is acknowledged.

Each write is one unit of work of the group commit: the rule, the rows, the client's version and the change log in one
transaction (PS2 to PS5). A unit takes the account's row first, so several processes never decide at the same time.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, bindparam, delete, select, update

from foundation.db import Database
from presence import rows
from presence.access.jwt_parts import LIFE_LIMIT
from presence.changes import CLIENT, KNOWN, LOCK, ChangeLog, Happened, client_row, lock
from presence.joining import DELETE, ROW, Accepted, Asked, Joining, StatusUnknown
from presence.models import changes, endpoints, revocations, statuses
from presence.registration import CAP, Change, Endpoint, StaleVersion, register
from presence.standing import Bearer, Standing, standing
from presence.statuses import AVAILABLE, BUILT_IN, StatusKind, kind_of

SWEEP = 500
CHANGES_KEPT = 86_400.0

_ENGAGE = update(endpoints).where(ROW).values(busy_until=bindparam("until"))

Key = tuple[str, str, str]
"""Account, client, endpoint id."""


class NotRegistered(Exception):
    """The client has no such live registration."""


class Store:
    """The registrations of one database. `cap`: live endpoints that a client may have (PR-12)."""

    def __init__(self, database: Database, *, cap: int = CAP) -> None:
        self.database, self.cap = database, cap
        self.log = ChangeLog(sqlite_=database.sqlite)
        self._joining = Joining(self.log, self._kind, sqlite_=database.sqlite)

    # What clients say

    def register(
        self,
        asked: Endpoint,
        now: float,
        *,
        status: str | None = None,
        note: str | None = None,
        based_on: int | None = None,
        cap: int | None = None,
    ) -> "Future[Accepted]":
        """Stores a registration. Without a status or note: those that the device had, else those that the client
        chose for itself.

        AccessRefused when the account or key went away meanwhile, StaleVersion per PR-16, StatusUnknown.
        """

        wanted = Asked(
            endpoint=asked, now=now, status=status, note=note, based_on=based_on, cap=cap or self.cap
        )
        return self.database.gather(self._joining.together, wanted, asked.account_sid)

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
            stands = standing(connection, Bearer.of(asked))
            stands.demand()
            version = stands.client.version
            decided = register(asked, stands.endpoints, now, version=version, based_on=based_on)
            return self._joining.keep(connection, decided, stands, now)

        return self.database.write(work, account_sid)

    def registrations(self, account_sid: str, client: str) -> Standing:
        """The client's registrations, expired ones too, with its version and the account's sequence of one moment."""
        with self.database.read() as connection:
            return standing(connection, Bearer(account_sid, client))

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
                connection.execute(self._joining.upsert, [rows.values(one) for one in after])
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
            old = [
                (table, this)
                for table, this in ((changes, changes.c.at < now - CHANGES_KEPT), (revocations, _ended(now)))
                if connection.execute(select(1).select_from(table).where(this).limit(1)).first() is not None
            ]
        for table, this in old:
            self.database.write(_forget(delete(table).where(this)))
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
            DELETE, [{"a": one.account_sid, "c": one.client, "e": one.endpoint_id} for one in gone]
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


def _ended(now: float) -> ColumnElement[bool]:
    """Revocations that concern no token any more; the first condition finds them by their index."""
    return and_(revocations.c.at < now - LIFE_LIMIT, revocations.c.until < now)


def _forget(statement: Any) -> Callable[[Connection], None]:
    def work(connection: Connection) -> None:
        connection.execute(statement)

    return work


def all_of(futures: Iterable["Future[list[Endpoint]]"], timeout: float) -> list[Endpoint]:
    """What several units answered; blocks."""
    return [one for future in futures for one in future.result(timeout)]

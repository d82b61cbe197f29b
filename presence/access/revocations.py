"""Tokens that are worth nothing although they have not ended (PR-7): stored, and soon known to every process.

Reads know at once, because a revocation ends the registrations in its own unit of work. Tokens, sockets and streams at
another process are refused or ended when its watch has read the table: every second, so within two.
"""

import asyncio
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

import structlog
from sqlalchemy import ColumnElement, Connection, and_, func, or_, select, true
from sqlalchemy.dialects import postgresql, sqlite

from foundation.clock import Clock
from foundation.db import Database
from presence.access.jwt_parts import LIFE_LIMIT, SKEW
from presence.access.refusals import Refusal
from presence.access.tokens import Grant
from presence.changes import lock
from presence.faults import Limited
from presence.models import endpoints, revocations
from presence.registration import Endpoint
from presence.store import Store

T = TypeVar("T")
log = structlog.get_logger(__name__)

KEPT = LIFE_LIMIT + SKEW + 60.0
"""Seconds for which a revocation matters: then the last token that it concerns has ended anyway."""
MOST = 10_000
"""Revocations that an account may have at a time."""
EVERY = 1.0  # seconds between two looks at the table
GATHER = 0.05  # seconds between two looks at least, so that many revocations cost few passes over the sockets
LATE = 30.0  # seconds by which a row may come after its moment: clocks differ, commits take time
LONG_AGO = float("-inf")


class Kind(StrEnum):
    """What a revocation names. Of an identity or account it concerns what was issued up to its moment; what is issued
    in a later second is good again. Of a token or key it concerns all, for ever."""

    TOKEN = "token"  # noqa: S105 - by its `token_digest` or `token_id`
    KEY = "key"
    IDENTITY = "identity"
    ACCOUNT = "account"
    SUSPENSION = "suspension"
    """The account is not active any more: ends what is open now. Whether tokens are good is the directory's to say,
    so that they are again when the account is."""


REFUSALS = {
    Kind.TOKEN: Refusal.REVOKED,
    Kind.KEY: Refusal.ISSUER,
    Kind.IDENTITY: Refusal.REVOKED,
    Kind.ACCOUNT: Refusal.REVOKED,
    Kind.SUSPENSION: Refusal.ACCOUNT,
}
"""What clients are told."""

Known = dict[tuple[Kind, str], float]
"""The moments of one account's revocations."""
End = Callable[[Refusal, Callable[[Grant], bool]], None]
"""Ends what is open with a grant that matches, and says why."""


@dataclass(frozen=True, kw_only=True)
class Revocation:
    """`at` and `until` in Unix seconds; `value` is "" for an account."""

    account_sid: str
    kind: Kind
    value: str
    at: float

    @property
    def until(self) -> float:
        return self.at + KEPT


def reason(grant: Grant, known: Mapping[tuple[Kind, str], float]) -> Kind | None:
    """Which of its account's revocations concerns the grant."""
    for named in ((Kind.TOKEN, grant.token_digest), (Kind.TOKEN, grant.token_id), (Kind.KEY, grant.key_sid)):
        if named in known:
            return named[0]
    for named in ((Kind.IDENTITY, grant.identity), (Kind.ACCOUNT, "")):
        if grant.issued_at <= known.get(named, LONG_AGO):
            return named[0]
    return Kind.SUSPENSION if (Kind.SUSPENSION, "") in known else None


def concerned(kind: Kind, value: str, now: float) -> ColumnElement[bool]:
    """The account's registrations that were made with such tokens."""
    issued_before = endpoints.c.token_issued_at <= now
    match kind:
        case Kind.TOKEN:
            return or_(endpoints.c.token_digest == value, endpoints.c.token_id == value)
        case Kind.KEY:
            return endpoints.c.key_sid == value
        case Kind.IDENTITY:
            return and_(endpoints.c.client == value, issued_before)
        case Kind.ACCOUNT:
            return issued_before
        case Kind.SUSPENSION:
            return true()


def put_in(connection: Connection, account_sid: str, kind: Kind, value: str, now: float) -> None:
    """Notes a revocation, or its later moment; part of a unit of work that has the account's lock."""
    row = _INSERT[connection.dialect.name](revocations).values(
        account_sid=account_sid, kind=kind.value, value=value, at=now, until=now + KEPT
    )
    connection.execute(
        row.on_conflict_do_update(
            index_elements=["account_sid", "kind", "value"],
            set_={"at": row.excluded["at"], "until": row.excluded["until"]},
            where=revocations.c.at < row.excluded["at"],
        )
    )


def after(future: "Future[T]", action: Callable[[], None]) -> "Future[T]":
    """The same result, once the action has run: who waits for it finds what the action did."""
    told: Future[T] = Future()
    told.set_running_or_notify_cancel()  # nobody cancels it, so it can always be resolved

    def finish(done: "Future[T]") -> None:
        try:
            found = done.result()
            action()
        except BaseException as error:
            told.set_exception(error)
        else:
            told.set_result(found)

    future.add_done_callback(finish)
    return told


_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
_ROW = select(revocations.c.account_sid, revocations.c.kind, revocations.c.value, revocations.c.at)


class Revocations:
    """Those of all accounts: written to the database, looked up in memory. `learnt` is called when there are new ones,
    on whatever thread."""

    def __init__(self, database: Database, store: Store, learnt: Callable[[], None] = lambda: None) -> None:
        self._database, self._store, self._learnt = database, store, learnt
        self._lock = threading.Lock()
        self._known: dict[str, Known] = {}
        self._news: dict[str, Known] = {}
        self._read_at = self._pruned_at = LONG_AGO
        self._wake: Callable[[], None] = lambda: None

    def is_revoked(self, grant: Grant) -> bool:
        known = self._known.get(grant.account_sid)
        return known is not None and reason(grant, known) not in (None, Kind.SUSPENSION)

    def put(self, account_sid: str, kind: Kind, value: str, now: float) -> "Future[list[Endpoint]]":
        """Revokes tokens and ends the registrations that were made with them; answers with those.

        Absent without the account; Limited beyond MOST, unless it is the whole account.
        """
        live = select(func.count()).where(revocations.c.account_sid == account_sid, revocations.c.until > now)

        def work(connection: Connection) -> list[Endpoint]:
            lock(connection, account_sid)
            if kind is not Kind.ACCOUNT and connection.execute(live).scalar_one() >= MOST:
                raise Limited(
                    f"An account has at most {MOST} revocations: revoke a key, or the whole account."
                )
            put_in(connection, account_sid, kind, value, now)
            return self._store.revoke_in(connection, account_sid, concerned(kind, value, now), now)

        row = Revocation(account_sid=account_sid, kind=kind, value=value, at=now)
        return after(self._database.write(work, account_sid), lambda: self._learn([row]))

    def page(
        self, account_sid: str, now: float, limit: int, *, beyond: tuple[str, str] = ("", "")
    ) -> list[Revocation]:
        """The account's, by kind and value, from the one after `beyond`."""
        kind, value = beyond
        mine = _ROW.where(
            revocations.c.account_sid == account_sid,
            revocations.c.until > now,
            or_(revocations.c.kind > kind, and_(revocations.c.kind == kind, revocations.c.value > value)),
        )
        with self._database.read() as connection:
            found = connection.execute(mine.order_by(revocations.c.kind, revocations.c.value).limit(limit))
            return [_revocation(row) for row in found]

    def refresh(self, now: float) -> None:
        """Reads what is new in the table; everything, the first time. Blocks."""
        since = max(self._read_at - LATE, now - KEPT)
        with self._database.read() as connection:
            found = connection.execute(_ROW.where(revocations.c.at > since)).all()
        self._read_at = now
        self._learn(map(_revocation, found))
        if now > self._pruned_at + KEPT / 24:
            self._prune(now)

    def wake(self) -> None:
        """There is news in the table: the watch looks soon. From any thread."""
        self._wake()

    async def watch(self, end: End, clock: Clock) -> None:
        """Keeps this process informed and has what is open ended, on the event loop. Never returns."""
        woken, loop = asyncio.Event(), asyncio.get_running_loop()

        def wake() -> None:
            with suppress(RuntimeError):  # the loop has ended: nothing is open any more
                loop.call_soon_threadsafe(woken.set)

        self._wake = wake
        try:
            while True:
                woken.clear()
                try:
                    await self.look(end, clock().timestamp())
                except Exception as error:
                    log.warning("revocations could not be read; the next look follows", error=repr(error))
                await asyncio.sleep(GATHER)
                with suppress(TimeoutError):
                    await asyncio.wait_for(woken.wait(), EVERY)
        finally:
            self._wake = lambda: None

    async def look(self, end: End, now: float) -> None:
        """Reads what is new and has what is open ended."""
        await asyncio.to_thread(self.refresh, now)
        with self._lock:
            news, self._news = self._news, {}
        for refusal in {REFUSALS[kind] for known in news.values() for kind, _ in known}:

            def gone(grant: Grant, refusal: Refusal = refusal) -> bool:
                kind = reason(grant, news.get(grant.account_sid, {}))
                return kind is not None and REFUSALS[kind] is refusal

            end(refusal, gone)

    def _learn(self, rows: Iterable[Revocation]) -> None:
        news = False
        with self._lock:
            for row in rows:
                named = (row.kind, row.value)
                known = self._known.setdefault(row.account_sid, {})
                if known.get(named, LONG_AGO) < row.at:
                    known[named] = row.at
                    self._news.setdefault(row.account_sid, {})[named] = row.at
                    news = True
        if news:
            self._learnt()
            self.wake()

    def _prune(self, now: float) -> None:
        """Forgets what concerns no token any more."""
        with self._lock:
            self._pruned_at = now
            kept = {
                account: {named: at for named, at in known.items() if at + KEPT > now}
                for account, known in self._known.items()
            }
            self._known = {account: known for account, known in kept.items() if known}


def _revocation(row: Any) -> Revocation:
    return Revocation(account_sid=row.account_sid, kind=Kind(row.kind), value=row.value, at=row.at)

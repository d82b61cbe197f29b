"""The accounts and signing keys that the router told us about, with their secrets sealed in the database."""

import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

from sqlalchemy import Connection, select, update
from sqlalchemy.dialects import postgresql, sqlite

from foundation.db import Database
from foundation.keys import Keys, KeysUnusable
from foundation.sids import ACCOUNT, API_KEY, is_sid
from presence.access.revocations import Kind, Revocations, after, put_in
from presence.access.tokens import Grant, signer
from presence.changes import ACCOUNT as ACCOUNT_ROW
from presence.changes import LOCK
from presence.faults import Absent
from presence.models import accounts, endpoints, keys
from presence.registration import Endpoint
from presence.store import Store

REMEMBERED = 2.0
"""Seconds for which an opened secret is served from memory: what another process changed is seen by then. Nothing is
registered on that memory alone: the store checks the account and the key again in its transaction."""
MOST_REMEMBERED = 10_000


T = TypeVar("T")
_AUTH_TOKENS = select(accounts.c.auth_tokens).where(ACCOUNT_ROW).with_for_update()


class NotRemembered(LookupError):
    """It is not in memory; the database knows."""


class Directory:
    """Who may sign clients' tokens; the `SecretLookup` of `tokens.verify`."""

    def __init__(self, database: Database, keys: Keys, store: Store) -> None:
        self._database, self._keys, self._store = database, keys, store
        self._memory: dict[tuple[str, ...], tuple[float, Any]] = {}
        self.revocations = Revocations(database, store, learnt=self._memory.clear)
        self._upserting: Any = sqlite.insert if database.sqlite else postgresql.insert
        self.memory = Memory(self)

    # What the router says

    def put_account(
        self, account_sid: str, status: str, auth_tokens: Sequence[str], version: int, now: float
    ) -> "Future[list[Endpoint]]":
        """Stores an account unless a newer version is known; answers with the registrations that it ended: all, unless
        the account is active, or those made with an auth token that it has no more (PR-7)."""
        row = self._upserting(accounts).values(
            account_sid=account_sid,
            status=status,
            auth_tokens=self._keys.seal(json.dumps(list(auth_tokens))),
            version=version,
            sequence=0,
        )
        upsert = row.on_conflict_do_update(
            index_elements=["account_sid"],
            set_={name: row.excluded[name] for name in ("status", "auth_tokens", "version")},
            where=accounts.c.version <= version,
        ).returning(accounts.c.version)

        def work(connection: Connection) -> list[Endpoint]:
            before = connection.execute(_AUTH_TOKENS, {"account": account_sid}).scalar()
            if connection.execute(upsert).one_or_none() is None:
                return []
            dropped = [signer(token) for token in self._opened(before) if token not in auth_tokens]
            for name in dropped:
                put_in(connection, account_sid, Kind.KEY, name, now)
            if status != "active":
                put_in(connection, account_sid, Kind.SUSPENSION, "", now)
                return self._store.revoke_in(connection, account_sid, None, now)
            which = endpoints.c.key_sid.in_(dropped)
            return self._store.revoke_in(connection, account_sid, which, now) if dropped else []

        return self._told(self._database.write(work, account_sid))

    def put_key(self, account_sid: str, key_sid: str, secret: str, version: int) -> "Future[None]":
        """Stores a signing key unless it was revoked, belongs to another account or is known in a newer version."""
        row = self._upserting(keys).values(
            account_sid=account_sid,
            key_sid=key_sid,
            secret=self._keys.seal(secret),
            version=version,
            revoked=False,
        )
        upsert = row.on_conflict_do_update(
            index_elements=["key_sid"],
            set_={name: row.excluded[name] for name in ("secret", "version")},
            where=(keys.c.version <= version)
            & (keys.c.revoked.is_(False))
            & (keys.c.account_sid == account_sid),
        )

        def work(connection: Connection) -> None:
            connection.execute(upsert)

        return self._told(self._database.write(work, account_sid))

    def delete_key(
        self, key_sid: str, now: float, *, account_sid: str | None = None
    ) -> "Future[list[Endpoint]]":
        """Revokes a key for ever, known or not, and ends the registrations that were made with it (PR-7).

        Absent unless it is a known key of that account, when one is given.
        """
        mark = (
            self._upserting(keys)
            .values(account_sid="", key_sid=key_sid, secret="", version=0, revoked=True)
            .on_conflict_do_nothing()
        )
        revoke = update(keys).where(keys.c.key_sid == key_sid).values(revoked=True, secret="")

        owned = select(keys.c.account_sid).where(keys.c.key_sid == key_sid)

        def work(connection: Connection) -> list[Endpoint]:
            if account_sid is not None and connection.execute(owned).scalar() != account_sid:
                raise Absent("There is no such key of the account.")
            connection.execute(mark)
            connection.execute(revoke)
            owner = connection.execute(owned).scalar_one()
            connection.execute(LOCK, {"account": owner})
            if owner:
                put_in(connection, owner, Kind.KEY, key_sid, now)
            return self._store.revoke_in(connection, owner, endpoints.c.key_sid == key_sid, now)

        return self._told(self._database.write(work))

    # The look-up

    def is_revoked(self, grant: Grant) -> bool:
        return self.revocations.is_revoked(grant)

    def auth_tokens(self, account_sid: str) -> Sequence[str] | None:
        if not is_sid(account_sid, ACCOUNT):
            return None

        def find() -> Sequence[str] | None:
            with self._database.read() as connection:
                row = connection.execute(
                    select(accounts.c.status, accounts.c.auth_tokens).where(
                        accounts.c.account_sid == account_sid
                    )
                ).one_or_none()
            if row is None or row.status != "active":
                return None
            return tuple(json.loads(self._keys.open(row.auth_tokens)))

        tokens: Sequence[str] | None = self._remember(("account", account_sid), find)
        return tokens

    def key_secret(self, account_sid: str, key_sid: str) -> str | None:
        if not (is_sid(account_sid, ACCOUNT) and is_sid(key_sid, API_KEY)):
            return None

        def find() -> str | None:
            with self._database.read() as connection:
                sealed = connection.execute(
                    select(keys.c.secret).where(
                        keys.c.account_sid == account_sid,
                        keys.c.key_sid == key_sid,
                        keys.c.revoked.is_(False),
                    )
                ).scalar()
            return None if sealed is None else self._keys.open(sealed)

        secret: str | None = self._remember(("key", account_sid, key_sid), find)
        return secret

    def _opened(self, sealed: str | None) -> Sequence[str]:
        """None, also when the operator has lost the master key: what the router says then mends it."""
        try:
            return tuple(json.loads(self._keys.open(sealed))) if sealed else ()
        except KeysUnusable:
            return ()

    def remembered(self, *key: str) -> Any:
        """`account` and its SID, or `key` and the SIDs of account and key; NotRemembered, and never None."""
        kept = self._memory.get(key)
        if kept is None or kept[0] <= time.monotonic():
            raise NotRemembered
        return kept[1]

    def _remember(self, key: tuple[str, ...], find: Callable[[], Any]) -> Any:
        with suppress(NotRemembered):
            return self.remembered(*key)
        found = find()
        if found is not None:
            if len(self._memory) >= MOST_REMEMBERED:
                self._memory.clear()
            self._memory[key] = (time.monotonic() + REMEMBERED, found)
        return found

    def _told(self, future: "Future[T]") -> "Future[T]":
        """Nobody who waits for it finds what was remembered before."""

        def forget() -> None:
            self._memory.clear()
            self.revocations.wake()

        return after(future, forget)


class Memory:
    """The `SecretLookup` that never waits, for the event loop: NotRemembered for what the directory would read from the
    database."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self.is_revoked = directory.is_revoked

    def auth_tokens(self, account_sid: str) -> Sequence[str]:
        tokens: Sequence[str] = self._directory.remembered("account", account_sid)
        return tokens

    def key_secret(self, account_sid: str, key_sid: str) -> str:
        secret: str = self._directory.remembered("key", account_sid, key_sid)
        return secret

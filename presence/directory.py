"""The accounts and signing keys that the router told us about, with their secrets sealed in the database."""

import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

from sqlalchemy import Connection, select, update
from sqlalchemy.dialects import postgresql, sqlite

from foundation.db import Database
from foundation.keys import Keys
from presence.changes import LOCK
from presence.models import accounts, endpoints, keys
from presence.registration import Endpoint
from presence.store import Store

REMEMBERED = 2.0
"""Seconds for which an opened secret is served from memory: what another process changed is seen by then. Nothing is
registered on that memory alone: the store checks the account and the key again in its transaction."""
MOST_REMEMBERED = 10_000


class Directory:
    """Who may sign clients' tokens; the `SecretLookup` of `tokens.verify`."""

    def __init__(self, database: Database, keys: Keys, store: Store) -> None:
        self._database, self._keys, self._store = database, keys, store
        self._memory: dict[tuple[str, ...], tuple[float, Any]] = {}
        self._upserting: Any = sqlite.insert if database.sqlite else postgresql.insert

    # What the router says

    def put_account(
        self, account_sid: str, status: str, auth_tokens: Sequence[str], version: int, now: float
    ) -> "Future[list[Endpoint]]":
        """Stores an account unless a newer version is known; answers with the registrations that it ended."""
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
            newer = connection.execute(upsert).one_or_none()
            if newer is None or status == "active":
                return []
            return self._store.revoke_in(connection, account_sid, None, now)

        return self._forget_after(self._database.write(work, account_sid))

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

        return self._forget_after(self._database.write(work, account_sid))

    def delete_key(self, key_sid: str, now: float) -> "Future[list[Endpoint]]":
        """Revokes a key for ever, known or not, and ends the registrations that were made with it (PR-7)."""
        mark = (
            self._upserting(keys)
            .values(account_sid="", key_sid=key_sid, secret="", version=0, revoked=True)
            .on_conflict_do_nothing()
        )
        revoke = update(keys).where(keys.c.key_sid == key_sid).values(revoked=True, secret="")

        def work(connection: Connection) -> list[Endpoint]:
            connection.execute(mark)
            connection.execute(revoke)
            owner = connection.execute(
                select(keys.c.account_sid).where(keys.c.key_sid == key_sid)
            ).scalar_one()
            connection.execute(LOCK, {"account": owner})
            return self._store.revoke_in(connection, owner, endpoints.c.key_sid == key_sid, now)

        return self._forget_after(self._database.write(work))

    # The look-up

    def auth_tokens(self, account_sid: str) -> Sequence[str] | None:
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

    def _remember(self, key: tuple[str, ...], find: Callable[[], Any]) -> Any:
        kept = self._memory.get(key)
        if kept is not None and kept[0] > time.monotonic():
            return kept[1]
        found = find()
        if found is not None:
            if len(self._memory) >= MOST_REMEMBERED:
                self._memory.clear()
            self._memory[key] = (time.monotonic() + REMEMBERED, found)
        return found

    def _forget_after(self, future: "Future[Any]") -> "Future[Any]":
        future.add_done_callback(lambda _done: self._memory.clear())
        return future

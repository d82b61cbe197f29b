"""Tells the presence server of accounts and keys: executors of `presence.account`, `.key` and `.key-deleted`.

The entry names the resource only; what it is like is read when the entry is carried out, so the newest state goes
out whatever the order, and its version makes an older one harmless.
"""

import asyncio
from collections.abc import Callable

from sqlalchemy import select

from callrouter.calls.dispatch import Done, Executor, Later
from callrouter.calls.store import OutboxRow
from callrouter.directory import accounts
from callrouter.models import ApiKey
from foundation.db import Database
from foundation.keys import Keys
from presence.client import PresenceClient, PresenceUnavailable

LONGEST_PAUSE = 30.0


class Announcer:
    """Repeats for as long as it takes: without its keys the presence server lets nobody in."""

    def __init__(self, database: Database, keys: Keys, presence: PresenceClient) -> None:
        self._database = database
        self._keys = keys
        self._presence = presence

    def executors(self) -> dict[str, Executor]:
        return {
            "presence.account": self._until_told(self._account),
            "presence.key": self._until_told(self._key),
            "presence.key-deleted": self._until_told(self._key_deleted),
        }

    @staticmethod
    def _until_told(tell: Callable[[OutboxRow], None]) -> Executor:
        async def execute(row: OutboxRow) -> Done:
            try:
                await asyncio.to_thread(tell, row)
            except PresenceUnavailable as error:
                raise Later(min(LONGEST_PAUSE, 0.5 * 2 ** min(row["attempts"], 6))) from error
            return Done()

        return execute

    def _account(self, row: OutboxRow) -> None:
        with self._database.read() as connection:
            account = accounts.find(connection, row["payload"]["account_sid"])
        if account is not None:
            status = account.status if account.active or account.status != "active" else account.owner_status
            token = self._keys.open(account.auth_token_sealed)
            self._presence.put_account(
                account.account_sid, status=status, auth_tokens=[token], version=account.version
            )

    def _key(self, row: OutboxRow) -> None:
        payload = row["payload"]
        with self._database.read() as connection:
            sealed = connection.execute(
                select(ApiKey.secret_sealed).where(
                    ApiKey.account_sid == payload["account_sid"], ApiKey.sid == payload["sid"]
                )
            ).scalar()
        if sealed is not None:
            secret = self._keys.open(sealed)
            self._presence.put_key(payload["account_sid"], payload["sid"], secret=secret, version=1)

    def _key_deleted(self, row: OutboxRow) -> None:
        self._presence.delete_key(row["payload"]["sid"])

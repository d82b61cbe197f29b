"""What every view works with: the deployment's parts, who asks, and for which account."""

from collections.abc import Callable
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from typing import TypeVar, cast

from flask import g
from sqlalchemy import Connection

from callrouter.api.live import LiveCalls
from callrouter.api.live_messages import LiveMessages
from callrouter.directory.accounts import Account
from callrouter.directory.authentication import Principal
from callrouter.directory.ice import IceServers
from callrouter.media.client import MediaClient
from foundation.clock import Clock
from foundation.db import Database
from foundation.keys import Keys
from foundation.webserver.errors import ApiError

T = TypeVar("T")

WRITE_SECONDS = 15


@dataclass(frozen=True, kw_only=True)
class Api:
    database: Database
    keys: Keys
    live: LiveCalls
    messages: LiveMessages
    media: MediaClient
    ice: IceServers
    clock: Clock

    def now(self) -> float:
        return self.clock().timestamp()

    def read(self, query: Callable[[Connection], T]) -> T:
        with self.database.read() as connection:
            return query(connection)

    def write(self, work: Callable[[Connection], T]) -> T:
        """Runs a repeatable unit of work and answers after its commit."""
        try:
            return self.database.write(work, key=account().account_sid).result(WRITE_SECONDS)
        except FutureTimeout:
            raise ApiError(
                503, 20503, "The database did not answer in time; look whether the change was made."
            ) from None


def api() -> Api:
    return cast(Api, g.api)


def principal() -> Principal:
    """Who asks; `access` has proven it."""
    return cast(Principal, g.principal)


def account() -> Account:
    """The account that the path names, else the one that asks; `access` has allowed it."""
    return cast(Account, g.account)

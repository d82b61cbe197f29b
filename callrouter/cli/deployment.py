"""The deployment that a command works on: its settings, its database, its keys, opened when first used."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import TimeoutError as FutureTimeout
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from foundation.clock import utc_now
from foundation.keys import Keys, load_keys
from foundation.settings import Settings, load

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from callrouter.directory.accounts import Account
    from foundation.db import Database

T = TypeVar("T")

WRITE_SECONDS = 30


class Deployment:
    """Made by the command group; `click.pass_obj` hands it to commands.

    It loads the database library when the database is asked for: some commands, and two of the processes, never do.
    """

    @cached_property
    def settings(self) -> Settings:
        return load()

    @cached_property
    def database(self) -> Database:
        from foundation.db import Database, DatabaseUnusable

        url = self.settings.database_url("router")
        if sqlite_is_missing(url):
            raise DatabaseUnusable("there is no database yet; run `callrouter db upgrade`")
        return Database(url)

    @cached_property
    def keys(self) -> Keys:
        return load_keys(self.settings)

    def now(self) -> float:
        return utc_now().timestamp()

    def read(self, query: Callable[[Connection], T]) -> T:
        with self.database.read() as connection:
            return query(connection)

    def write(self, work: Callable[[Connection], T], key: str = "") -> T:
        """Runs a repeatable unit of work and returns after its commit; those of one key run in order."""
        from foundation.db import DatabaseUnusable

        try:
            return self.database.write(work, key=key).result(WRITE_SECONDS)
        except FutureTimeout:
            raise DatabaseUnusable(
                f"the database did not answer within {WRITE_SECONDS} s; look whether the change was made"
            ) from None

    def account(self, given: str | None) -> Account:
        """The account that a command is for: the option, else the setting, else the only one that there is."""
        from callrouter.directory import accounts
        from callrouter.directory.accounts import Account, Status
        from callrouter.directory.rows import values

        if sid := given or self.settings.cli_account:
            return self.read(lambda c: accounts.fetch(c, sid))
        everyone = self.read(lambda c: values(Account, c, accounts.listed()))
        usable = [one for one in everyone if one.status != Status.CLOSED]
        if len(usable) == 1:
            return usable[0]
        if not usable:
            raise click.ClickException("there is no account yet; run `callrouter account create NAME`")
        raise click.ClickException(
            "there are several accounts: name one by --account or CALLROUTER_CLI_ACCOUNT"
        )

    def close(self) -> None:
        if "database" in self.__dict__:
            self.database.close()


def sqlite_is_missing(url: str) -> bool:
    """Whether the URL names a SQLite file that is not there: opening it would make an empty one."""
    from sqlalchemy import make_url

    parsed = make_url(url)
    return parsed.get_backend_name() == "sqlite" and not Path(parsed.database or "").exists()

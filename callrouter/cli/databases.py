"""Whether the databases are as a process needs them: there, with this release's tables, and opened by our keys."""

import click
from sqlalchemy import column, create_engine, select, table
from sqlalchemy.pool import NullPool

from callrouter.cli.deployment import sqlite_is_missing
from foundation.keys import load_keys
from foundation.settings import Settings
from migrations import revisions

FOLDERS: dict[str, revisions.Server] = {"router": "callrouter", "presence": "presence"}
"""Each server's name in the settings, and the folder of its migrations."""
SEALED = {"router": "auth_token_sealed", "presence": "auth_tokens"}
"""What each keeps sealed of an account."""


def upgrade_databases(settings: Settings) -> None:
    """Brings both databases to this release's tables; ClickException when they are newer."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    for server, folder in FOLDERS.items():
        url = settings.database_url(server)
        if not sqlite_is_missing(url) and revisions.current(url, folder) == revisions.head(folder):
            continue
        from migrations import runner  # takes a while to load, and most starts have nothing to upgrade

        try:
            runner.upgrade(url, folder)
        except runner.NewerTables as error:
            raise click.ClickException(str(error)) from error


def refuse_old_database(settings: Settings, server: str) -> None:
    """ClickException when this release can't work with the tables, be they older or newer."""
    url, folder = settings.database_url(server), FOLDERS[server]
    if sqlite_is_missing(url):
        raise click.ClickException(f"there is no {server} database yet; run `callrouter db upgrade`")
    if fault := revisions.unfit(revisions.current(url, folder), folder):
        raise click.ClickException(fault)


def refuse_wrong_keys(settings: Settings, server: str) -> None:
    """KeysUnusable unless the master keys open what is stored: better now than in the middle of a call."""
    engine = create_engine(settings.database_url(server), poolclass=NullPool)
    with engine.connect() as connection:
        sealed = connection.execute(select(column(SEALED[server])).select_from(table("accounts"))).scalar()
    if sealed is not None:
        load_keys(settings).open(sealed)

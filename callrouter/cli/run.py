"""`callrouter run …` and `callrouter up`: the processes."""

import asyncio
from functools import partial

import click
from sqlalchemy import column, create_engine, select, table
from sqlalchemy.pool import NullPool

from callrouter import processes
from callrouter.calls.name_lock import NameTaken
from callrouter.cli.deployment import sqlite_is_missing
from foundation import logs
from foundation.db import DatabaseUnusable
from foundation.keys import load_keys
from foundation.settings import Settings
from foundation.settings import load as load_settings
from foundation.webserver.serve import AddressTaken, stop_on_signals
from migrations import runner

DATABASES = {"router": "callrouter", "presence": "presence"}
"""Each server's name in the settings, and the folder of its migrations."""
SEALED = {"router": "auth_token_sealed", "presence": "auth_tokens"}
"""What each keeps sealed of an account."""


class _Processes(click.Group):
    """Loads the gateway's command only when it is asked for: its library is an extra."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*processes.NAMES, "smpp"]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name == "smpp":
            return _smpp()
        if cmd_name not in processes.NAMES:
            return None
        return click.Command(cmd_name, callback=partial(_run_process, cmd_name), help=f"Run {cmd_name}.")


@click.group(cls=_Processes)
def run() -> None:
    """Run one process in the foreground: the presence server, the media service, the router, the voice node, or an
    SMPP gateway."""


def _run_process(process: str) -> None:
    settings = load_settings()
    try:
        if process in DATABASES:
            refuse_old_database(settings, process)
            refuse_wrong_keys(settings, process)
        processes.run(process, settings)
    except (AddressTaken, DatabaseUnusable, NameTaken) as error:
        raise click.ClickException(str(error)) from error


_ANY = {"ignore_unknown_options": True, "allow_extra_args": True}


def _without_library() -> None:
    raise click.ClickException("the SMPP gateway needs a library of its own: pip install 'callrouter[sms]'")


def _smpp() -> click.Command:
    try:
        from callrouter.carriers.smpp.cli import smpp
    except ModuleNotFoundError as missing:
        if missing.name != "smpp34":
            raise
        return click.Command(
            "smpp",
            callback=_without_library,
            context_settings=_ANY,
            help="An SMPP link; needs callrouter[sms].",
        )
    from callrouter.cli.devices import carrier_lookup

    smpp.context_settings["obj"] = carrier_lookup
    return smpp


@click.command()
def up() -> None:
    """Run everything here: presence server, media service, router and voice node, on SQLite unless set otherwise."""
    settings = load_settings()
    logs.configure(settings, "up")
    try:
        upgrade_databases(settings)
    except runner.NewerTables as error:
        raise click.ClickException(str(error)) from error
    for server in DATABASES:
        refuse_wrong_keys(settings, server)
    click.echo(f"callrouter is starting: REST and carriers at {settings.router_base()}", err=True)
    click.echo(f"client apps: {{chunderw: '{settings.signal_name()}'}}; stop with Ctrl-C", err=True)
    asyncio.run(_up())


async def _up() -> None:
    await processes.Supervisor().run(stop_on_signals())


def upgrade_databases(settings: Settings) -> None:
    """Brings both databases to this release's tables."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    for server, folder in DATABASES.items():
        runner.upgrade(settings.database_url(server), folder)  # type: ignore[arg-type]


def refuse_old_database(settings: Settings, server: str) -> None:
    """ClickException when this release can't work with the tables, be they older or newer."""
    folder = DATABASES[server]
    if sqlite_is_missing(settings.database_url(server)):
        raise click.ClickException(f"there is no {server} database yet; run `callrouter db upgrade`")
    at = runner.current(settings.database_url(server), folder)  # type: ignore[arg-type]
    if fault := runner.unfit(at, folder):  # type: ignore[arg-type]
        raise click.ClickException(fault)


def refuse_wrong_keys(settings: Settings, server: str) -> None:
    """KeysUnusable unless the master keys open what is stored: better now than in the middle of a call."""
    engine = create_engine(settings.database_url(server), poolclass=NullPool)
    with engine.connect() as connection:
        sealed = connection.execute(select(column(SEALED[server])).select_from(table("accounts"))).scalar()
    if sealed is not None:
        load_keys(settings).open(sealed)

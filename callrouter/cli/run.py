"""`callrouter run …` and `callrouter up`: the processes."""

import asyncio
from functools import partial

import click

from callrouter import processes
from foundation import logs
from foundation.db import DatabaseUnusable
from foundation.settings import Settings
from foundation.settings import load as load_settings
from foundation.webserver.serve import AddressTaken, stop_on_signals
from migrations import runner

DATABASES = {"router": "callrouter", "presence": "presence"}
"""Each server's name in the settings, and the folder of its migrations."""


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
        processes.run(process, settings)
    except (AddressTaken, DatabaseUnusable) as error:
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
    upgrade_databases(settings)
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
    folder = DATABASES[server]
    at, head = runner.current(settings.database_url(server), folder), runner.head(folder)  # type: ignore[arg-type]
    if at != head:
        raise click.ClickException(
            f"the {server} database is at {at or 'no revision'}, this release needs {head}: run `callrouter db upgrade`"
        )

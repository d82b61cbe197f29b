"""`callrouter run …` and `callrouter up`: the processes."""

import asyncio
from functools import partial

import click

from callrouter import processes
from foundation import logs
from foundation.settings import load as load_settings

WITH_DATABASE = ("router", "presence")


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
    with processes.garbage_left():
        if process in WITH_DATABASE:
            # The others do without the database library, which is much of the time after which a process serves.
            from callrouter.cli.databases import refuse_old_database, refuse_wrong_keys

            refuse_old_database(settings, process)
            refuse_wrong_keys(settings, process)
        program = processes.program(process, settings)
    program()


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
    from callrouter.cli.databases import refuse_wrong_keys, upgrade_databases  # as above

    settings = load_settings()
    logs.configure(settings, "up")
    upgrade_databases(settings)
    for server in WITH_DATABASE:
        refuse_wrong_keys(settings, server)
    click.echo(f"callrouter is starting: REST and carriers at {settings.router_base()}", err=True)
    click.echo(f"client apps: {{chunderw: '{settings.signal_name()}'}}; stop with Ctrl-C", err=True)
    asyncio.run(_up())


async def _up() -> None:
    from foundation.webserver.serve import (
        stop_on_signals,  # with the web server, which `run voice` does without
    )

    await processes.Supervisor().run(stop_on_signals())

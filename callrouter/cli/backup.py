"""`callrouter backup` and `callrouter restore`."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from sqlalchemy import inspect
from sqlalchemy.exc import SQLAlchemyError

from callrouter.backup import restoring, taking
from callrouter.backup.archive import Damaged
from callrouter.backup.databases import snapshot
from callrouter.backup.restoring import Unfit
from callrouter.calls import recovery
from callrouter.cli import checks
from callrouter.cli.checks import State
from callrouter.cli.deployment import Deployment, sqlite_is_missing
from callrouter.cli.output import json_option, print_one
from foundation.settings import Settings

file_argument = click.argument("file", type=click.Path(path_type=Path, dir_okay=False))


@click.command()
@file_argument
@click.option("--force", is_flag=True, help="Replace a file of that name.")
@json_option
@click.pass_obj
def backup(deployment: Deployment, file: Path, force: bool, as_json: bool) -> None:
    """Writes the whole deployment to FILE while it runs: both databases, keys, certificates, recordings and media.

    Keep it like the keys themselves: it opens everything. Keys that are given by CALLROUTER_SECRET_KEYS are not in it.
    """
    if file.exists() and not force:
        raise click.ClickException(f"{file} is there already; name another, or replace it by --force")
    if not file.absolute().parent.is_dir():
        raise click.ClickException(f"there is no folder {file.absolute().parent}; make it, or name another")
    settings = deployment.settings
    for name in taking.SERVERS:
        if sqlite_is_missing(settings.database_url(name)):
            raise click.ClickException(f"there is no {name} database yet; run `callrouter db upgrade`")
    print_one(taking.take(file, settings, deployment.keys, datetime.now(UTC)), as_json)


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--force", is_flag=True, help="Replace the deployment that is there.")
@click.option("--dry-run", is_flag=True, help="Only look whether FILE is whole and fits.")
@json_option
@click.pass_obj
def restore(deployment: Deployment, file: Path, force: bool, dry_run: bool, as_json: bool) -> None:
    """Puts the deployment back that `callrouter backup` wrote to FILE; all of it, or nothing.

    It may come from SQLite and go to PostgreSQL, or the other way: the databases are those of the settings. Nothing may
    run meanwhile. Files that are replaced are kept in a folder before-restore-… beside the new ones.

    All is as it was then: messages that waited, and callbacks that were due, go out when a router starts.
    """
    settings = deployment.settings
    try:
        manifest = restoring.examined(file, settings)
        facts = {name: manifest[name] for name in ("made_by", "made_at", "keys")}
        if dry_run:
            print_one({"file": str(file), "whole": True, **facts}, as_json)
            return
        refuse_running(deployment)
        if (there := _present(settings)) and not force:
            raise click.ClickException(f"there is a deployment already ({there}); --force replaces it")
        aside = settings.data_dir / f"before-restore-{datetime.now(UTC):%Y%m%d-%H%M%S}"
        deployment.close()
        done: dict[str, Any] = restoring.restore(file, settings, manifest, aside)
    except (Damaged, Unfit) as fault:
        raise click.ClickException(str(fault)) from fault
    kept = {"replaced": str(aside)} if aside.exists() else {}
    print_one({**done, **facts, **kept}, as_json)


def refuse_running(deployment: Deployment) -> None:
    """ClickException when a process of the deployment runs: it would go on with what is no more."""
    for found in checks.processes(deployment.settings):
        if found.state is not State.NOTE:
            raise click.ClickException(
                f"the {found.check} process must not run meanwhile ({found.detail}); stop it first"
            )
    if sqlite_is_missing(deployment.settings.database_url("router")):
        return
    try:
        now = deployment.now()
        alive = deployment.read(lambda c: recovery.alive(c, recovery.lease_time(c, now)))
    except SQLAlchemyError:  # there are no tables yet
        return
    if alive:
        raise click.ClickException(
            "a router still holds its lease; stop it first, or wait half a minute after one that was killed"
        )


def _present(settings: Settings) -> str:
    """The database that has something in it already, if one has."""
    for name in taking.SERVERS:
        url = settings.database_url(name)
        if not sqlite_is_missing(url) and _has_tables(url):
            return f"{name} database"
    return ""


def _has_tables(url: str) -> bool:
    try:
        with snapshot(url) as connection:
            return bool(inspect(connection).get_table_names())
    except SQLAlchemyError:
        return False

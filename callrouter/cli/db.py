"""`callrouter db`: the versions of the two databases' tables."""

from typing import Literal

import click
from alembic.util import CommandError
from sqlalchemy import make_url

from callrouter.cli.deployment import Deployment, sqlite_is_missing
from callrouter.cli.output import json_option, print_many
from migrations import runner

FOLDERS: dict[str, Literal["callrouter", "presence"]] = {"router": "callrouter", "presence": "presence"}

database_option = click.option(
    "--database",
    "name",
    type=click.Choice([*FOLDERS, "all"]),
    default="all",
    show_default=True,
    help="Which of the two.",
)


@click.group()
def db() -> None:
    """The databases of the router and of the presence server, and the versions of their tables."""


@db.command()
@click.argument("revision", default="head")
@database_option
@json_option
@click.pass_obj
def upgrade(deployment: Deployment, revision: str, name: str, as_json: bool) -> None:
    """Brings the tables to the newest version, or to REVISION; makes a SQLite file that is not there."""
    for one in _chosen(name):
        url = deployment.settings.database_url(one)
        if sqlite_is_missing(url):
            deployment.settings.data_dir.mkdir(parents=True, exist_ok=True)
        try:
            runner.upgrade(url, FOLDERS[one], revision)
        except CommandError as error:
            raise click.ClickException(f"{one}: {error}") from error
    _print_current(deployment, name, as_json)


@db.command()
@click.argument("revision")
@click.option("--database", "name", type=click.Choice(list(FOLDERS)), required=True)
@json_option
@click.pass_obj
def downgrade(deployment: Deployment, revision: str, name: str, as_json: bool) -> None:
    """Takes the tables back to REVISION, `-1` or `base`. What newer tables held is lost."""
    _demand(deployment, name)
    try:
        runner.downgrade(deployment.settings.database_url(name), FOLDERS[name], revision)
    except CommandError as error:
        raise click.ClickException(f"{name}: {error}") from error
    _print_current(deployment, name, as_json)


@db.command()
@database_option
@json_option
@click.pass_obj
def current(deployment: Deployment, name: str, as_json: bool) -> None:
    """Which version the tables are at, and which is the newest."""
    _print_current(deployment, name, as_json)


@db.command()
@database_option
@json_option
def history(name: str, as_json: bool) -> None:
    """Every version, oldest first."""
    rows = [
        {"database": one, "revision": revision, "description": description}
        for one in _chosen(name)
        for revision, description in runner.history(FOLDERS[one])
    ]
    print_many(rows, ("database", "revision", "description"), as_json)


def _chosen(name: str) -> list[str]:
    return list(FOLDERS) if name == "all" else [name]


def _demand(deployment: Deployment, name: str) -> None:
    if sqlite_is_missing(deployment.settings.database_url(name)):
        raise click.ClickException(f"there is no {name} database yet; run `callrouter db upgrade`")


def _print_current(deployment: Deployment, name: str, as_json: bool) -> None:
    rows = []
    for one in _chosen(name):
        url = deployment.settings.database_url(one)
        rows.append(
            {
                "database": one,
                "url": make_url(url).render_as_string(hide_password=True),
                "current": None if sqlite_is_missing(url) else runner.current(url, FOLDERS[one]),
                "newest": runner.head(FOLDERS[one]),
            }
        )
    print_many(rows, ("database", "current", "newest", "url"), as_json)

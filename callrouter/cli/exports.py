"""`callrouter export`: what is stored, as text for other programs; row by row, however much it is."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click
from sqlalchemy import Select, and_, or_, select

from callrouter import models
from callrouter.cli import number_file
from callrouter.cli.deployment import Deployment
from callrouter.cli.output import account_option, moment, public
from callrouter.cli.tables import Format, Row, lines
from callrouter.directory import accounts
from callrouter.models.base import Base

F = TypeVar("F", bound=Callable[..., Any])

PAGE = 1_000
SECRET = ("_sealed", "_hash")
"""How columns end that are never exported."""


@dataclass(frozen=True, kw_only=True)
class Export:
    """Some columns of a table; `order` is the moment by which pages follow each other, then the SID does."""

    model: type[Base]
    columns: Sequence[str]
    order: str = "date_created"


NUMBERS = Export(model=models.PhoneNumber, columns=number_file.COLUMNS)
CALLS = Export(
    model=models.Call,
    columns=(
        *(
            "sid",
            "parent_call_sid",
            "direction",
            "from",
            "to",
            "status",
            "ended_because",
            "carrier",
            "identity",
        ),
        *("phone_number_sid", "application_sid", "caller_name", "answered_by", "queue_time"),
        *("date_created", "start_time", "end_time"),
    ),
)
MESSAGES = Export(
    model=models.Message,
    columns=(
        *("sid", "direction", "from", "to", "status", "error_code", "body", "encoding", "num_segments"),
        *("num_media", "messaging_service_sid", "carrier", "date_created", "date_sent", "date_updated"),
    ),
)
ACCOUNT: Mapping[str, type[Base]] = {
    "numbers": models.PhoneNumber,
    "applications": models.Application,
    "keys": models.ApiKey,
    "caller_ids": models.OutgoingCallerId,
    "messaging_services": models.MessagingService,
    "short_codes": models.ShortCode,
}
"""What an account has set up, by its name in the exported document."""
MOMENTS = ("start_time", "end_time")
"""Beside those whose names begin with date_."""


@click.group("export")
def export() -> None:
    """Write down what is stored, for spreadsheets and other programs."""


def _options(command: F) -> F:
    for option in (
        click.option(
            "--output",
            type=click.Path(path_type=Path, dir_okay=False),
            help="A file, instead of the terminal.",
        ),
        click.option("--ndjson", "format", flag_value=Format.NDJSON.value, help="One JSON object per line."),
        click.option("--json", "format", flag_value=Format.JSON.value, help="One JSON array."),
        click.option(
            "--csv", "format", flag_value=Format.CSV.value, default=Format.CSV.value, help="The default."
        ),
        account_option,
    ):
        command = option(command)
    return command


def _moment(_context: click.Context, _option: click.Parameter, text: str | None) -> float | None:
    if text is None:
        return None
    try:
        given = datetime.fromisoformat(text)
    except ValueError as error:
        raise click.BadParameter(
            f"{text!r} is no moment such as 2026-11-22 or 2026-11-22T08:00:00Z"
        ) from error
    return (given if given.tzinfo else given.replace(tzinfo=UTC)).timestamp()


def _period(command: F) -> F:
    command = click.option(
        "--until", callback=_moment, metavar="YYYY-MM-DD[THH:MM:SSZ]", help="Only what began before."
    )(command)
    return click.option(
        "--since", callback=_moment, metavar="YYYY-MM-DD[THH:MM:SSZ]", help="Only what began then or later."
    )(command)


def _command(name: str, export_: Export, help: str, *options: Callable[[Any], Any]) -> None:
    """A command that writes down one table; `help` is what it says of itself."""

    @click.pass_obj
    def written(
        deployment: Deployment,
        format: str,
        output: Path | None,
        account_sid: str | None,
        since: float | None = None,
        until: float | None = None,
    ) -> None:
        owner = deployment.account(account_sid).account_sid
        _write(lines(rows(deployment, export_, owner, since, until), export_.columns, Format(format)), output)

    command: Any = _options(written)
    for option in options:
        command = option(command)
    export.command(name, help=help)(command)


_command("numbers", NUMBERS, "The account's numbers, in the columns that `callrouter import numbers` takes.")
_command("calls", CALLS, "The account's calls, oldest first: a row for each leg.", _period)
_command("messages", MESSAGES, "The account's messages, oldest first.", _period)


@export.command("account")
@click.option("--json", "_json", is_flag=True, help="The default; there is no other.")
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), help="A file, instead of the terminal."
)
@account_option
@click.pass_obj
def account_(deployment: Deployment, _json: bool, output: Path | None, account_sid: str | None) -> None:
    """What an account has set up, as one JSON object: numbers, applications, services …; no secrets."""
    _write(_document(deployment, deployment.account(account_sid).account_sid), output)


def rows(
    deployment: Deployment, export: Export, owner: str, since: float | None = None, until: float | None = None
) -> Iterator[Row]:
    """The account's rows, oldest first, page by page: each page begins after the last row of the one before."""
    table = export.model.__table__
    at, sid = table.c[export.order], table.c.sid
    query = select(table).where(table.c.account_sid == owner).order_by(at, sid).limit(PAGE)
    if since is not None:
        query = query.where(at >= since)
    if until is not None:
        query = query.where(at < until)
    page: Select[Any] = query
    while found := deployment.read(lambda c, page=page: c.execute(page).all()):  # type: ignore[misc]
        for row in found:
            yield {name: _plain(name, row._mapping[name]) for name in export.columns}
        last = found[-1]._mapping
        after = or_(at > last[export.order], and_(at == last[export.order], sid > last["sid"]))
        page = query.where(after)


def _document(deployment: Deployment, owner: str) -> Iterator[str]:
    account = deployment.read(lambda c: accounts.fetch(c, owner))
    yield '{"account": ' + json.dumps(public(account))
    for name, model in ACCOUNT.items():
        columns = [column.name for column in model.__table__.columns if not column.name.endswith(SECRET)]
        yield f',\n"{name}": '
        yield from lines(rows(deployment, Export(model=model, columns=columns), owner), columns, Format.JSON)
    yield "}\n"


def _plain(name: str, value: Any) -> Any:
    return moment(value) if name.startswith("date_") or name in MOMENTS else value


def _write(text: Iterator[str], output: Path | None) -> None:
    if output is None:
        for piece in text:
            click.echo(piece, nl=False)
        return
    with output.open("w", encoding="utf-8", newline="") as file:
        file.writelines(text)
    click.echo(f"written to {output}", err=True)

"""`callrouter import`: what other systems wrote down, taken in line by line."""

import codecs
import csv
import dataclasses
import sys
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from sqlalchemy import Connection

from callrouter import models
from callrouter.cli.deployment import WRITE_SECONDS, Deployment
from callrouter.cli.number_file import NUMBER_COLUMN, Fault, NumberFile, Wanted
from callrouter.cli.output import account_option, json_option, print_one
from callrouter.cli.tables import quoted
from callrouter.directory import numbers
from callrouter.directory.errors import Refused
from callrouter.directory.numbers import Number
from callrouter.directory.rows import value
from foundation.sids import PHONE_NUMBER, new_sid

UNDER_WAY = 200
"""Lines whose commits are waited for together: their cost is that of the disk's syncs."""
SHOWN = 20
"""Faults that are printed; `--report` takes all of them."""
KEPT = 10_000
"""Faults that are kept for JSON."""
REMEDIES = {
    21421: "write it as +, country code and number; spreadsheets drop the plus: make the column text",
    21422: "another account has it; delete it there first",
    21402: "give an http or https URL, or leave the cell empty",
    21502: "give an http or https URL, or leave the cell empty",
    21403: "write GET or POST, or leave the cell empty",
    21420: "name an application of this account (`callrouter app list`)",
    20404: "name what is there: `callrouter carrier list`",
    20002: "shorten the name",
}
OF_CODE = {20404: "carrier", 20002: "friendly_name", 21420: "voice_application_sid"}
"""The column that a refusal is about, where its text doesn't name it."""


@click.group("import")
def import_() -> None:
    """Take in what other systems wrote down."""


@import_.command("numbers")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@click.option("--encoding", help="How the file is written; by default UTF-8, or what its first bytes say.")
@click.option(
    "--report",
    type=click.Path(path_type=Path, dir_okay=False),
    help="CSV file for all lines that were not taken.",
)
@account_option
@json_option
@click.pass_obj
def numbers_(
    deployment: Deployment,
    file: Path,
    dry_run: bool,
    encoding: str | None,
    report: Path | None,
    account_sid: str | None,
    as_json: bool,
) -> None:
    """Takes phone numbers from a CSV file: phone_number, and any of what `callrouter export numbers` writes.

    A line is taken as a whole or not at all, and may come again: a number that is as it says stays as it is. An empty
    cell unsets. Exit code 1: at least one line was not taken; the report says which, why, and what to do.
    """
    try:
        codecs.lookup(encoding or "utf-8")
    except LookupError as error:
        raise click.UsageError(f"{encoding!r} is no encoding; such as utf-8, utf-16 or cp1252 is.") from error
    owner = deployment.account(account_sid).account_sid
    outcomes: Counter[str] = Counter(created=0, changed=0, unchanged=0, refused=0)
    faults: list[Fault] = []
    with NumberFile(file, encoding) as lines, _sink(report) as tell, _bar(lines.size, as_json) as advance:
        for outcome in _taken(deployment, owner, lines, dry_run):
            if isinstance(outcome, Fault):
                outcomes["refused"] += 1
                tell(outcome)
                if len(faults) < KEPT:
                    faults.append(outcome)
            else:
                outcomes[outcome] += 1
            advance(lines.position)
    _print(outcomes, faults, dry_run, as_json)
    if outcomes["refused"]:
        raise SystemExit(1)


def _taken(deployment: Deployment, owner: str, lines: NumberFile, dry_run: bool) -> Iterator[str | Fault]:
    """What became of each line, in their order."""
    waiting: deque[tuple[Wanted, Future[str]] | Fault] = deque()
    for line in lines:
        if isinstance(line, Fault):
            waiting.append(line)
        else:
            unit = _Line(owner, line, new_sid(PHONE_NUMBER), deployment.now(), dry_run)
            waiting.append((line, deployment.database.write(unit, key=line.phone_number)))
        if len(waiting) >= UNDER_WAY:
            yield _outcome(waiting.popleft())
    yield from map(_outcome, waiting)


def _outcome(one: tuple[Wanted, Future[str]] | Fault) -> str | Fault:
    if isinstance(one, Fault):
        return one
    line, future = one
    try:
        return future.result(WRITE_SECONDS)
    except Refused as refused:
        column = next((name for name in line.settings if name in refused.message), OF_CODE.get(refused.code))
        column = column or NUMBER_COLUMN
        return Fault(
            line=line.line,
            column=column,
            value=line.settings.get(column, line.phone_number),
            reason=refused.message,
            remedy=REMEDIES.get(refused.code, "mend the cell and import the file again"),
        )


@dataclasses.dataclass(frozen=True)
class _Line:
    """The unit of work of one line: made, changed or left as it is."""

    owner: str
    line: Wanted
    sid: str
    now: float
    dry_run: bool

    def __call__(self, connection: Connection) -> str:
        if not self.dry_run:
            return self._take(connection)
        with connection.begin_nested() as rehearsal:
            outcome = self._take(connection)
            rehearsal.rollback()
        return outcome

    def _take(self, connection: Connection) -> str:
        wanted, settings = self.line.phone_number, self.line.settings
        mine = numbers.listed(self.owner).where(models.PhoneNumber.phone_number == wanted)
        row = connection.execute(mine).one_or_none()
        if row is None:
            numbers.create(
                connection,
                account_sid=self.owner,
                sid=self.sid,
                phone_number=wanted,
                settings=settings,
                now=self.now,
            )
            return "created"
        before = value(Number, row)
        given = {name: text.upper() if name.endswith("_method") else text for name, text in settings.items()}
        if all(getattr(before, name) == text for name, text in given.items()):
            return "unchanged"
        numbers.change(connection, self.owner, before.sid, settings, self.now)
        return "changed"


@contextmanager
def _sink(report: Path | None) -> Iterator[Any]:
    """Takes every fault; into a file if one is wanted."""
    if report is None:
        yield lambda _fault: None
        return
    with report.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([field.name for field in dataclasses.fields(Fault)])
        yield lambda fault: writer.writerow(map(quoted, dataclasses.astuple(fault)))


@contextmanager
def _bar(size: int, as_json: bool) -> Iterator[Any]:
    """A progress bar on standard error, where that is a terminal."""
    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    shown = sys.stderr.isatty() and not as_json
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not shown) as progress:
        task = progress.add_task("importing", total=size)
        yield lambda position: progress.update(task, completed=position)


def _print(outcomes: Counter[str], faults: list[Fault], dry_run: bool, as_json: bool) -> None:
    if as_json:
        print_one(
            {**outcomes, "dry_run": dry_run, "faults": [dataclasses.asdict(one) for one in faults]}, True
        )
        return
    for fault in faults[:SHOWN]:
        where = f"line {fault.line}" + (f", {fault.column}" if fault.column else "")
        click.echo(f"{where}: {fault.reason}; {fault.remedy}", err=True)
    if outcomes["refused"] > SHOWN:
        click.echo(f"and {outcomes['refused'] - SHOWN} more; --report FILE lists all of them", err=True)
    print_one({**outcomes, **({"dry_run": True} if dry_run else {})}, False)

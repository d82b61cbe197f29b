"""`callrouter simulate FILE.scenario`: plays what is written, on a callrouter of its own."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from callrouter.ladders.text import plain
from callrouter.scenario.faults import CannotPlay, WrongScenario
from callrouter.scenario.language import Scenario, parse

if TYPE_CHECKING:
    from callrouter.scenario.play import Done, Played

DIFFERS, WRONG = 1, 2
STDIN = "-"


@click.command("scenario")
@click.argument("files", nargs=-1, required=True, metavar="FILE.scenario…")
@click.option("--check", is_flag=True, help="Only read the files and say what is wrong in them.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line; the last has the ladders.")
@click.option("--events", is_flag=True, help="Also print each row of the ladder as it is written.")
@click.option("--mermaid", "as_mermaid", is_flag=True, help="Print the ladders as Mermaid sequence diagrams.")
def scenario(files: tuple[str, ...], check: bool, as_json: bool, events: bool, as_mermaid: bool) -> None:
    """Play scenario files on a callrouter of its own, which is forgotten at the end; `-` reads standard input.

    Each sentence is printed as it happens, then the ladders. docs/how-to/scenarios.md says how they are written. Exit
    code: 0 all was as written, 1 something differed, 2 a file is wrong or can't be tried, 130 interrupted.
    """
    read = [_read(file) for file in files]
    if any(each is None for each in read):
        raise SystemExit(WRONG)
    scenarios = [each for each in read if each is not None]
    if check:
        for each in scenarios:
            _say(
                as_json,
                {"scenario": each.name, "ok": True},
                f"{each.name}: {len(each.steps)} sentences, no fault",
            )
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        good = _play(list(zip(files, scenarios, strict=True)), as_json, events, as_mermaid)
    except CannotPlay as cannot:
        raise _Unplayable(str(cannot)) from cannot
    if not good:
        raise SystemExit(DIFFERS)


class _Unplayable(click.ClickException):
    exit_code = WRONG


def _read(file: str) -> Scenario | None:
    """None, and the faults on standard error, when the file is no scenario."""
    try:
        text = sys.stdin.buffer.read() if file == STDIN else Path(file).read_bytes()
        return parse(text.decode(), "standard input" if file == STDIN else file)
    except OSError as fault:
        remedy = (
            " (`callrouter simulate --help` lists the commands)"
            if isinstance(fault, FileNotFoundError)
            else ""
        )
        click.echo(f"{file}: {fault.strerror}{remedy}", err=True)
    except UnicodeDecodeError as fault:
        click.echo(
            f"{file}: the file is not UTF-8 text, from byte {fault.start} on; save it as that", err=True
        )
    except WrongScenario as wrong:
        click.echo(plain_lines(str(wrong)), err=True)
    return None


def _play(scenarios: list[tuple[str, Scenario]], as_json: bool, events: bool, as_mermaid: bool) -> bool:
    from callrouter.scenario.deployment import LocalDeployment
    from callrouter.scenario.ladders import as_mermaid as mermaid
    from callrouter.scenario.ladders import as_text
    from callrouter.scenario.play import play

    good = True
    if not as_json:
        click.echo(click.style("a callrouter of its own is starting …", dim=True), err=True)
    with LocalDeployment() as deployment:
        for file, each in scenarios:
            folder = Path() if file == STDIN else Path(file).parent
            if not as_json:
                click.echo(click.style(f"\n{plain(each.name)}", bold=True))
            told = _teller(as_json)
            row = _row_teller(as_json) if events else None
            played = asyncio.run(play(each, deployment, folder=folder, tell=told, row=row))
            good = good and played.good
            if as_json:
                click.echo(json.dumps(_summary(played)))
                continue
            for ladder in played.ladders:
                click.echo("\n" + (mermaid(ladder) if as_mermaid else as_text(ladder)).rstrip())
            click.echo("\n" + _verdict(played))
    return good


def _teller(as_json: bool) -> Callable[[Done], None]:
    def tell(done: Done) -> None:
        ok = None if done.seconds is None else not done.fault
        mark = {True: click.style("✔", fg="green"), False: click.style("✘", fg="red"), None: "·"}[ok]
        line = f"  {mark} {plain(done.step.text)}"
        if done.fault:
            line += "\n" + "\n".join(f"      {row}" for row in plain_lines(done.fault).splitlines())
        _say(as_json, as_fields(done), line)

    return tell


def _row_teller(as_json: bool) -> Callable[[Any], None]:
    def tell(row: Any) -> None:
        fields = {"row": row.summary, "source": row.source, "target": row.target, "call_sid": row.call_sid}
        line = click.style(f"      {plain(row.source)} → {plain(row.target)}  {plain(row.summary)}", dim=True)
        _say(as_json, fields, line)

    return tell


def as_fields(done: Done) -> dict[str, Any]:
    """A step for programs: `ok` is null for one that was left out."""
    return {
        "line": done.step.line,
        "step": done.step.text,
        "ok": None if done.seconds is None else not done.fault,
        "seconds": done.seconds,
        "fault": done.fault or None,
    }


def _summary(played: Played) -> dict[str, Any]:
    return {"scenario": played.scenario.name, "ok": played.good, "ladders": played.ladders}


def _verdict(played: Played) -> str:
    name = plain(played.scenario.name)
    if played.good:
        return click.style(f"✔ {name}: all {len(played.steps)} sentences happened", fg="green")
    lines = [
        f"{name}:{done.step.line}: {plain(done.step.text)}: {plain(done.fault)}" for done in played.faults
    ]
    return click.style("\n".join(f"✘ {line}" for line in lines), fg="red")


def plain_lines(text: str) -> str:
    """Several lines of what others wrote, without characters that steer a terminal."""
    return "\n".join(map(plain, text.splitlines()))


def _say(as_json: bool, fields: dict[str, Any], line: str) -> None:
    click.echo(json.dumps(fields) if as_json else line)

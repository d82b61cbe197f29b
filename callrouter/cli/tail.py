"""`callrouter tail`: what happens now, a line each; faults with their cause, remedy and the line of the document."""

import json
import re
import time
from typing import Any

import click
from rich.console import Console

from callrouter.cli.deployment import Deployment
from callrouter.cli.ladder import safe
from callrouter.cli.output import account_option
from callrouter.ladders import feed
from callrouter.ladders.text import explained

PAUSE = 0.4
"""Seconds between two looks."""
UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
OF_FAULT = re.compile(r"(error|warning) \d+: ")
MARKS = {"error": "red", "warning": "yellow"}


class Age(click.ParamType[float]):
    """A time span such as 90s, 10m, 2h or 1d, in seconds."""

    name = "age"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        found = re.fullmatch(r"(\d{1,9})([smhd]?)", str(value), re.ASCII)
        if found is None:
            self.fail(f"{value!r} is no time span; write it like 90s, 10m, 2h or 1d", param, ctx)
        return int(found[1]) * UNITS[found[2]]


@click.command()
@click.option("--call", "sid", metavar="CA…|SM…", help="Only this call with its legs, or this message.")
@click.option("--since", "age", metavar="10m", type=Age(), default="0", help="Begin so long ago.")
@click.option("--faults", is_flag=True, help="Only errors and warnings.")
@click.option(
    "--exit-on",
    metavar="TEXT",
    help="End with status 0 when this text occurs: in-progress, ended, 12100 …",
)
@click.option("--for", "seconds", type=click.FloatRange(0, 86400), help="End after so many seconds.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object a line.")
@account_option
@click.pass_obj
def tail(
    deployment: Deployment,
    sid: str | None,
    age: float,
    faults: bool,
    exit_on: str | None,
    seconds: float | None,
    as_json: bool,
    account_sid: str | None,
) -> None:
    """Follows what happens to calls and messages, until Ctrl-C.

    A line says when, to which call or message, who told whom, and what. With --exit-on and --for, the exit status is
    1 when the time is over and the text has not occurred.
    """
    owner = deployment.account(account_sid).account_sid
    cursor = feed.beginning(deployment.now() - age)
    ends = None if seconds is None else time.monotonic() + seconds
    console = Console(highlight=False, soft_wrap=True)
    while True:
        items, cursor = deployment.read(lambda c, place=cursor: feed.since(c, owner, place, sid))  # type: ignore[misc]
        for item in items:
            if (faults and item["kind"] != "fault") or (not as_json and _told_elsewhere(item)):
                continue
            if as_json:
                click.echo(json.dumps(item))
            else:
                console.print(*_lines(item), sep="\n")
            if exit_on and exit_on in _searched(item):
                return
        if ends is not None and time.monotonic() >= ends:
            raise SystemExit(1 if exit_on else 0)
        if not items:
            time.sleep(PAUSE)


def _told_elsewhere(item: dict[str, Any]) -> bool:
    """Rows of the ladder that a fault or an answer of the app tells better."""
    if item["kind"] != "row":
        return False
    told = item["summary"] == "document" or item["summary"].startswith("no document: ")
    return (item["source"] == "app" and told) or bool(OF_FAULT.match(item["summary"]))


def _lines(item: dict[str, Any]) -> list[str]:
    """What is printed for one item; all text of others is plain."""
    clock = (item["at"] or "")[11:23]
    start = f"[dim]{clock}[/] {safe(item['sid'] or '-')}"
    if item["kind"] == "fault":
        first, *rest = map(safe, explained(item))
        return [f"{start} [{MARKS[item['level']]}]{first}[/]", *rest]
    colour = "" if item["kind"] == "row" or (item["response_status"] or 600) < 300 else "red"
    who = f"[cyan]{safe(item['source'])} → {safe(item['target'])}[/]"
    what = safe(item["summary"])
    if item["kind"] == "request":
        what += f", {item['duration_ms']} ms"
    return [f"{start} {who} {f'[{colour}]{what}[/]' if colour else what}"]


def _searched(item: dict[str, Any]) -> str:
    return f"{item['source']} → {item['target']} {item['summary']}"

"""A call's ladder in the terminal: time runs down, each row says who told whom what."""

import json
import time
from collections.abc import Callable
from typing import Any, TypeVar

import click
from rich.console import Console, RenderableType
from rich.markup import escape
from rich.table import Table

from callrouter.ladders.text import explained, plain, timed

WIDTH = 160


F = TypeVar("F", bound=Callable[..., Any])
watch_option: Callable[[F], F] = click.option(
    "--watch",
    metavar="SECONDS",
    type=click.FloatRange(0.1, 3600),
    is_flag=False,
    flag_value=1.0,
    help="Show it again whenever it has changed, until it is over; looks each second unless told.",
)


def watched(
    look: Callable[[], dict[str, Any]],
    show: Callable[[dict[str, Any]], list[RenderableType]],
    every: float | None,
    as_json: bool,
) -> None:
    """Prints a ladder; with `every` again each time that it has changed, as long as it is live.

    As JSON, a ladder that is watched is a line each time.
    """
    console, before = _console(), None
    while True:
        ladder = look()
        if ladder != before:
            before = ladder
            if as_json:
                click.echo(json.dumps(ladder, indent=None if every else 2))
            else:
                console.clear() if every else None  # on a terminal only
                console.print(*show(ladder), *_faults(ladder["notifications"]))
        if every is None or not ladder["live"]:
            return
        time.sleep(every)


def show_call(ladder: dict[str, Any]) -> list[RenderableType]:
    tables = [_timeline(ladder), _legs(ladder["legs"])]
    return [*tables, _presence(ladder["presence"])] if ladder["presence"] else [*tables]


def _console() -> Console:
    console = Console(highlight=False, soft_wrap=False)
    if not console.is_terminal:
        console.width = WIDTH
    return console


def _faults(notes: list[dict[str, Any]]) -> list[str]:
    """Each fault with its cause and remedy."""
    lines = []
    for note in notes:
        first, *rest = map(safe, explained(note))
        colour = "red" if note["level"] == "error" else "yellow"
        lines.append(f"[{colour}]{first}[/] ({safe(note['call_sid'] or '')})")
        lines += rest
    return lines


def _timeline(ladder: dict[str, Any]) -> Table:
    """Seconds count from the first row."""
    left_out = f" ({ladder['left_out']} earlier rows are not shown)" if ladder["left_out"] else ""
    table = Table(
        title=f"call {ladder['call_sid']}{left_out}", title_justify="left", box=None, pad_edge=False
    )
    table.add_column("s", justify="right", style="dim")
    table.add_column("from", style="cyan")
    table.add_column("")
    table.add_column("to", style="cyan")
    table.add_column("what", overflow="fold")
    for seconds, row in timed(ladder["rows"]):
        table.add_row(f"{seconds:.3f}", safe(row["source"]), "→", safe(row["target"]), safe(row["summary"]))
    return table


def _legs(legs: list[dict[str, Any]]) -> Table:
    table = Table(title="legs", title_justify="left", box=None, pad_edge=False)
    for column in ("sid", "direction", "from", "to", "status", "ended because"):
        table.add_column(column)
    for leg in legs:
        cells = (
            leg["sid"],
            leg["direction"],
            leg["from"],
            leg["to"],
            leg["status"],
            leg["ended_because"] or "",
        )
        table.add_row(*map(safe, cells))
    return table


def _presence(decisions: list[dict[str, Any]]) -> Table:
    """A row for each client that was looked up: which devices rang, and why others did not."""
    table = Table(title="presence", title_justify="left", box=None, pad_edge=False)
    for column in ("client", "outcome", "mode", "rung", "not rung"):
        table.add_column(column, overflow="fold")
    for one in decisions:
        chosen = one["chosen_client"]
        whose = one["name"] if chosen in (None, one["name"]) else f"{one['name']} ({chosen})"
        rung = [device for wave in one["waves"] for device in wave if device in one["rung"]]
        skipped = [
            f"{'' if each['client'] == (chosen or one['name']) else each['client'] + '/'}"
            f"{each['endpoint_id']}: {each['reason']}"
            for each in one["skipped"]
        ]
        cells = (whose, one["outcome"], one["mode"], ", ".join(rung), ", ".join(skipped))
        table.add_row(*map(safe, cells))
    return table


def safe(text: str) -> str:
    """What callers and customers sent must neither colour nor steer the operator's terminal."""
    return escape(plain(text))

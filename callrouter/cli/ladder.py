"""A call's ladder in the terminal: time runs down, each row says who told whom what."""

import json
from datetime import datetime
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

WIDTH = 160


def print_ladder(ladder: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(ladder, indent=2))
        return
    console = Console(highlight=False, soft_wrap=False)
    if not console.is_terminal:
        console.width = WIDTH
    console.print(_timeline(ladder), _legs(ladder["legs"]))
    if ladder["presence"]:
        console.print(_presence(ladder["presence"]))
    for note in ladder["notifications"]:
        colour = "red" if note["level"] == "error" else "yellow"
        text = safe(f"{note['error_code']} {note['message_text']}")
        console.print(f"[{colour}]{note['level']}[/] {text} ({note['call_sid']})")


def _timeline(ladder: dict[str, Any]) -> Table:
    """Seconds count from the first row."""
    table = Table(title=f"call {ladder['call_sid']}", title_justify="left", box=None, pad_edge=False)
    table.add_column("s", justify="right", style="dim")
    table.add_column("from", style="cyan")
    table.add_column("")
    table.add_column("to", style="cyan")
    table.add_column("what", overflow="fold")
    started = None
    for row in ladder["timeline"]:
        at = datetime.fromisoformat(row["at"])
        started = started or at
        seconds = f"{(at - started).total_seconds():.3f}"
        table.add_row(seconds, safe(row["source"]), "→", safe(row["target"]), safe(row["summary"]))
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
    return escape("".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text))

"""A message's ladder: time runs down, each row says who told whom what; then the routes, and what it carries."""

from typing import Any

from rich.console import RenderableType
from rich.table import Table

from callrouter.cli.ladder import safe
from callrouter.ladders.text import timed

ROUTE = (
    *("carrier", "route", "score", "share", "rate", "outcomes", "wait", "cost", "out"),
    *("account_sid", "client", "status", "takes", "result", "endpoints", "skipped"),
)
"""Of a route, or a client, that was considered: what people look at first."""


def show_message(ladder: dict[str, Any]) -> list[RenderableType]:
    tables = [_facts(ladder["message"]), _timeline(ladder["rows"]), *map(_routes, ladder["decisions"])]
    lists = (("in the queue", ladder["queue"]), ("media", ladder["media"]))
    return [*tables, *(_table(title, list(items[0]), items) for title, items in lists if items)]


def _facts(message: dict[str, Any]) -> Table:
    table = Table(
        title=f"message {message['sid']}",
        title_justify="left",
        box=None,
        pad_edge=False,
        show_header=False,
    )
    table.add_column(style="cyan")
    table.add_column(overflow="fold")
    for name, value in message.items():
        if value not in (None, "", False):
            table.add_row(name, safe(str(value)))
    return table


def _timeline(rows: list[dict[str, Any]]) -> Table:
    """Seconds count from the first row."""
    shown = [
        {"s": f"{seconds:.3f}", "from": row["source"], "to": row["target"], "what": row["summary"]}
        for seconds, row in timed(rows)
    ]
    return _table("steps", ["s", "from", "to", "what"], shown)


def _routes(decision: dict[str, Any]) -> Table:
    """A row for each route; the chosen one has an arrow."""
    title = f"routes, attempt {decision['attempt']}: {decision['carrier'] or 'none'} ({decision['reason']})"
    rows = [
        {"": "→" if route.get("chosen") or route.get("carrier") == decision["carrier"] else "", **route}
        for route in decision["considered"]
    ]
    return _table(title, ["", *(name for name in ROUTE if any(name in row for row in rows))], rows)


def _table(title: str, columns: list[str], rows: list[dict[str, Any]]) -> Table:
    table = Table(title=safe(title), title_justify="left", box=None, pad_edge=False)
    for name in columns:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(_cell(row.get(name)) for name in columns))
    return table


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_cell, value))
    if isinstance(value, dict):
        return ": ".join(map(_cell, value.values()))
    return f"{value:.3g}" if isinstance(value, float) else safe("" if value is None else str(value))

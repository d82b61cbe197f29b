"""A message's ladder: time runs down, each row says who told whom what; then the routes, and what it carries."""

import json
from datetime import datetime
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection, Row, select

from callrouter import models
from callrouter.cli.deployment import Deployment
from callrouter.cli.ladder import WIDTH, safe
from callrouter.cli.output import moment
from callrouter.directory.errors import Missing

FACTS = (
    *("sid", "direction", "from", "to", "status", "error_code", "body", "encoding", "num_segments"),
    *("num_media", "messaging_service_sid", "session_sid", "answers", "carrier", "feedback"),
    *("possible_duplicate", "otherwise", "media_required"),
)
TIMES = ("date_created", "date_updated", "date_sent", "reported_at", "valid_until", "due_at")
MEDIA = ("sid", "url", "content_type", "size", "error_code")
QUEUED = ("carrier", "position", "state", "attempts", "moves", "avoided")
ROUTE = (
    *("carrier", "route", "score", "share", "rate", "outcomes", "wait", "cost", "out"),
    *("account_sid", "client", "status", "takes", "result", "endpoints", "skipped"),
)
"""Of a route, or a client, that was considered: what people look at first."""


def fetch_ladder(deployment: Deployment, account_sid: str, sid: str) -> dict[str, Any]:
    """The message, its steps, its media, the routes that were considered, its place in a queue, and its faults."""
    return deployment.read(lambda connection: _ladder(connection, account_sid, sid))


def _ladder(connection: Connection, account_sid: str, sid: str) -> dict[str, Any]:
    def rows(model: Any, column: str, order: str) -> list[Row[Any]]:
        table = model.__table__
        mine = (table.c.account_sid == account_sid, table.c[column] == sid)
        return list(connection.execute(select(table).where(*mine).order_by(table.c[order])))

    message = next(iter(rows(models.Message, "sid", "sid")), None)
    if message is None:
        raise Missing(f"Message {sid}")
    decisions = rows(models.MessageDecision, "message_sid", "attempt")
    webhooks = rows(models.Delivery, "call_sid", "at")
    history = rows(models.TimelineEntry, "call_sid", "position")
    replies = rows(models.Message, "answers", "date_created")
    return {
        "message": {**named(message, *FACTS), **{name: moment(message._mapping[name]) for name in TIMES}},
        "steps": _steps(message, decisions, webhooks, history, replies),
        "media": [named(row, *MEDIA) for row in rows(models.MessageMedia, "message_sid", "position")],
        "decisions": [
            {"at": moment(row.at), **named(row, "attempt", "carrier", "reason", "considered")}
            for row in decisions
        ],
        "queue": [
            {**named(row, *QUEUED), "due_at": moment(row.due_at)}
            for row in rows(models.QueuedMessage, "message_sid", "position")
        ],
        "notifications": [
            {
                **named(row, "sid", "error_code", "message_text"),
                "level": "error" if row.log == "0" else "warning",
            }
            for row in rows(models.Notification, "call_sid", "message_date")
        ],
    }


def _steps(
    message: Row[Any],
    decisions: list[Row[Any]],
    webhooks: list[Row[Any]],
    history: list[Row[Any]],
    replies: list[Row[Any]],
) -> list[dict[str, Any]]:
    """Who told whom what, oldest first."""
    inbound = message.direction == "inbound"
    source = message.carrier or "carrier" if inbound else "app"
    found = [(message.date_created, source, "router", f"{message._mapping['from'] or '?'} → {message.to}")]
    for row in decisions:
        found.append((row.at, "router", row.carrier or "nobody", f"queued: {row.reason}"))
    if message.date_sent is not None and not inbound:
        found.append((message.date_sent, "router", message.carrier or "carrier", "handed over"))
    if message.reported_at is not None:
        said = message.status if message.error_code is None else f"{message.status} {message.error_code}"
        found.append((message.reported_at, message.carrier or "carrier", "router", f"reported: {said}"))
    for row in webhooks:
        answer = row.response_status or row.error_code or "no answer"
        found.append((row.at, "router", "app", f"{row.kind} {row.method} {row.url}: {answer}"))
    for row in history:
        found.append((row.at, row.source, row.target, row.summary))
    for row in replies:
        found.append((row.date_created, "app", "router", f"replies by {row.sid}"))
    found.sort(key=lambda step: step[0])
    return [
        {"at": moment(at), "source": source, "target": target, "summary": summary}
        for at, source, target, summary in found
    ]


def named(row: Row[Any], *names: str) -> dict[str, Any]:
    return {name: row._mapping[name] for name in names}


def print_ladder(ladder: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(ladder, indent=2))
        return
    console = Console(highlight=False, soft_wrap=False)
    if not console.is_terminal:
        console.width = WIDTH
    console.print(_facts(ladder["message"]), _timeline(ladder["steps"]))
    for decision in ladder["decisions"]:
        console.print(_routes(decision))
    for title, items in (("in the queue", ladder["queue"]), ("media", ladder["media"])):
        if items:
            console.print(_table(title, list(items[0]), items))
    for note in ladder["notifications"]:
        colour = "red" if note["level"] == "error" else "yellow"
        console.print(f"[{colour}]{note['level']}[/] {safe(note['error_code'])} {safe(note['message_text'])}")


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


def _timeline(steps: list[dict[str, Any]]) -> Table:
    """Seconds count from the first row."""
    started = datetime.fromisoformat(steps[0]["at"])
    shown = [
        {
            "s": f"{(datetime.fromisoformat(step['at']) - started).total_seconds():.3f}",
            "from": step["source"],
            "to": step["target"],
            "what": step["summary"],
        }
        for step in steps
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

"""How commands print: for people in columns, for programs as JSON of the same facts."""

import dataclasses
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import click

from foundation.clock import from_timestamp

F = TypeVar("F", bound=Callable[..., Any])

json_option: Callable[[F], F] = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
account_option: Callable[[F], F] = click.option(
    "--account",
    "account_sid",
    metavar="AC…",
    help="The account; by default CALLROUTER_CLI_ACCOUNT, else the only one.",
)


def public(value: Any) -> dict[str, Any]:
    """A directory value without its secrets (what its repr hides), with times in ISO 8601."""
    shown = (field.name for field in dataclasses.fields(value) if field.repr)
    return {name: _plain(name, getattr(value, name)) for name in shown}


def moment(seconds: float | None) -> str | None:
    return None if seconds is None else from_timestamp(seconds).isoformat(timespec="milliseconds")


def print_one(item: Mapping[str, Any], as_json: bool) -> None:
    """One thing, with every fact on a line."""
    if as_json:
        _print_json(item)
        return
    width = max(map(len, item), default=0)
    for name, value in item.items():
        click.echo(f"{name:<{width}}  {_cell(value)}".rstrip())


def print_many(items: Sequence[Mapping[str, Any]], columns: Iterable[str], as_json: bool) -> None:
    """A list: all facts as JSON, the named columns for people; when it is empty, that is said on stderr."""
    if as_json:
        _print_json(items)
        return
    names = list(columns)
    lines = [names, *([_cell(item[name]) for name in names] for item in items)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(names))]
    if not items:
        click.echo("(none)", err=True)
    for line in lines if items else []:
        click.echo("  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip())


def _plain(name: str, value: Any) -> Any:
    return moment(value) if name.startswith("date_") else value


def _cell(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_cell, value))
    text = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return text if text.isprintable() else repr(text)[1:-1]


def _print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2))

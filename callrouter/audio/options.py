"""Command-line options about sound, the same for every simulated end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from callrouter.audio.sources import Source, source

Command = Callable[..., Any]


def sound_options(command: Command) -> Command:
    """`--tone` and `--wav`, to be given to `sound`."""
    file = click.Path(path_type=Path, exists=True, dir_okay=False)
    command = click.option("--wav", type=file, help="Or a WAV file, once.")(command)
    return click.option("--tone", type=float, metavar="HZ", help="What to say: a tone.")(command)


def sound(tone: float | None, wav: Path | None) -> Source:
    """The chosen source; click.UsageError for a wrong tone or file."""
    try:
        return source(tone, wav)
    except (ValueError, OSError) as fault:
        raise click.UsageError(str(fault)) from fault


def _keys(_context: click.Context, _option: click.Parameter, digits: str) -> str:
    if len(digits) > 64 or set(digits) - set("0123456789*#w"):
        raise click.BadParameter("give up to 64 of 0-9, *, # and w")
    return digits


def digits_option(command: Command) -> Command:
    text = "Keys to press once answered; w waits half a second."
    return click.option("--digits", default="", callback=_keys, help=text)(command)


def _creatable(_context: click.Context, _option: click.Parameter, path: Path | None) -> Path | None:
    """A file that can't be written is better known before the call than after it."""
    try:
        if path is not None:
            path.touch()
    except OSError as fault:
        raise click.BadParameter(str(fault)) from fault
    return path


def record_option(command: Command) -> Command:
    file = click.Path(path_type=Path, dir_okay=False)
    text = "WAV file of what is heard in the latest call."
    return click.option("--record", type=file, callback=_creatable, help=text)(command)

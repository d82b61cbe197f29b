"""The group of all commands: loads only the one that is called, and makes faults readable.

An operator sees one line and exit code 1, never a traceback for a mistake of theirs, and nothing at all for Ctrl-C.
"""

from collections.abc import Mapping
from importlib import import_module
from keyword import iskeyword
from signal import SIGINT
from typing import Any

import click

INTERRUPTED = 128 + SIGINT
"""The exit code after Ctrl-C, as shells tell it, of what has no end of its own for that."""


class Commands(click.Group):
    """`modules`: each command's name, and the module of `callrouter.cli` in which an object of that name is it (with
    an underscore after a word of Python's own). `summaries`: what the list of commands says of each.

    So `callrouter account list` waits for neither the audio libraries nor the servers.
    """

    def __init__(
        self, *args: Any, modules: Mapping[str, str], summaries: Mapping[str, str], **options: Any
    ) -> None:
        super().__init__(*args, **options)
        self._modules, self._summaries = modules, summaries

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(self._modules)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._modules:
            return None
        name = f"{cmd_name}_" if iskeyword(cmd_name) else cmd_name
        command: click.Command = getattr(import_module(f"callrouter.cli.{self._modules[cmd_name]}"), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        room = formatter.width - 6 - max(map(len, self._modules))
        with formatter.section("Commands"):
            formatter.write_dl(
                [
                    (name, click.Command(name, help=self._summaries[name]).get_short_help_str(room))
                    for name in self.list_commands(ctx)
                ]
            )

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except KeyboardInterrupt:
            raise click.exceptions.Exit(INTERRUPTED) from None
        except Exception as error:
            from callrouter.cli import faults  # names the database library's, which not every command loads

            if not (text := faults.said(error)):
                raise
            raise click.ClickException(text) from error

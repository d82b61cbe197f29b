"""The group of all commands: loads only the one that is called, and makes faults readable.

An operator sees one line and exit code 1, never a traceback for a mistake of theirs.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from callrouter.directory.errors import Refused
from foundation.db import DatabaseOverloaded, DatabaseUnusable
from foundation.keys import KeysUnusable
from foundation.settings import SettingsError

EXPECTED = (Refused, SettingsError, DatabaseUnusable, DatabaseOverloaded, KeysUnusable)
OF_FILES = (FileExistsError, FileNotFoundError, NotADirectoryError, PermissionError)


class Commands(click.Group):
    """`modules`: each command's name, and the module of `callrouter.cli` in which an object of that name is it.

    So `callrouter account list` waits for neither the audio libraries nor the servers.
    """

    def __init__(self, *args: Any, modules: Mapping[str, str], **options: Any) -> None:
        super().__init__(*args, **options)
        self._modules = modules

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(self._modules)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._modules:
            return None
        command: click.Command = getattr(import_module(f"callrouter.cli.{self._modules[cmd_name]}"), cmd_name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except DBAPIError as error:
            raise click.ClickException(_of_database(error)) from error
        except (ArgumentError, NoSuchModuleError) as error:
            raise click.ClickException(f"a database URL in the settings is wrong: {error}") from error
        except (*EXPECTED, *OF_FILES) as error:
            raise click.ClickException(str(error)) from error


def _of_database(error: DBAPIError) -> str:
    first_line = str(error.orig).strip().partition("\n")[0]
    missing = "no such table" in first_line or "does not exist" in first_line
    remedy = "; run `callrouter db upgrade`" if missing else ""
    return f"the database refuses: {first_line}{remedy}"

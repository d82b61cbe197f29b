"""The group of all commands: loads only the one that is called, and makes faults readable.

An operator sees one line and exit code 1, never a traceback for a mistake of theirs.
"""

import errno
from collections.abc import Mapping
from importlib import import_module
from keyword import iskeyword
from typing import Any

import click
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from callrouter.directory.errors import Refused
from foundation.db import DatabaseOverloaded, DatabaseUnusable
from foundation.keys import KeysUnusable
from foundation.settings import SettingsError

EXPECTED = (Refused, SettingsError, DatabaseUnusable, DatabaseOverloaded, KeysUnusable)
OF_FILES = (FileExistsError, FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError)
OF_DISKS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EMFILE)
DRIVERS = ("psycopg", "psycopg2", "MySQLdb", "pymysql", "oracledb", "cx_Oracle", "pyodbc", "asyncpg")
URLS = (
    "give sqlite:////a/file or, after `pip install callrouter[postgresql]`, "
    "postgresql+psycopg://user:password@host/name"
)
UNREACHED = ("connection failed", "connection to server", "unable to open database file")


class Commands(click.Group):
    """`modules`: each command's name, and the module of `callrouter.cli` in which an object of that name is it (with
    an underscore after a word of Python's own).

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
        name = f"{cmd_name}_" if iskeyword(cmd_name) else cmd_name
        command: click.Command = getattr(import_module(f"callrouter.cli.{self._modules[cmd_name]}"), name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except DBAPIError as error:
            raise click.ClickException(_of_database(error)) from error
        except (ArgumentError, NoSuchModuleError) as error:
            raise click.ClickException(f"a database URL in the settings is wrong: {error}; {URLS}") from error
        except ModuleNotFoundError as error:
            if error.name not in DRIVERS:
                raise
            raise click.ClickException(
                f"a database URL in the settings needs {error.name}, which is not installed; {URLS}"
            ) from error
        except EXPECTED as error:
            raise click.ClickException(str(error)) from error
        except OSError as error:
            if not (isinstance(error, OF_FILES) or error.errno in OF_DISKS):
                raise
            where = f"{error.filename}: " if error.filename else ""
            raise click.ClickException(f"{where}{error.strerror or error}") from error


def _of_database(error: DBAPIError) -> str:
    first_line = str(error.orig).strip().partition("\n")[0]
    missing = "no such table" in first_line or "does not exist" in first_line
    remedy = "; run `callrouter db upgrade`" if missing else ""
    if first_line.startswith(UNREACHED):
        remedy = "; start it, or correct CALLROUTER_ROUTER_DATABASE_URL and CALLROUTER_PRESENCE_DATABASE_URL"
    return f"the database refuses: {first_line}{remedy}"

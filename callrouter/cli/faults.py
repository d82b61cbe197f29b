"""What an operator sees of a fault: one line and exit code 1, never a traceback for a mistake of theirs."""

from typing import Any

import click
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from callrouter.directory.errors import Refused
from foundation.db import DatabaseOverloaded, DatabaseUnusable
from foundation.keys import KeysUnusable
from foundation.settings import SettingsError

EXPECTED = (Refused, SettingsError, DatabaseUnusable, DatabaseOverloaded, KeysUnusable, OSError)


class Commands(click.Group):
    """A group whose commands turn expected faults into click's own kind."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise  # click ends quietly when the reader has gone
        except DBAPIError as error:
            raise click.ClickException(_of_database(error)) from error
        except (ArgumentError, NoSuchModuleError) as error:
            raise click.ClickException(f"a database URL in the settings is wrong: {error}") from error
        except EXPECTED as error:
            raise click.ClickException(str(error)) from error


def _of_database(error: DBAPIError) -> str:
    first_line = str(error.orig).strip().partition("\n")[0]
    missing = "no such table" in first_line or "does not exist" in first_line
    remedy = "; run `callrouter db upgrade`" if missing else ""
    return f"the database refuses: {first_line}{remedy}"

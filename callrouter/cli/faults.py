"""Faults that an operator can mend, each in one line; whatever else is raised is a bug of ours and keeps its traceback.

Loaded when something failed: to name all that can fail takes the database library and the web server.
"""

import errno

from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from callrouter.calls.name_lock import NameTaken
from callrouter.directory.errors import Refused
from foundation.db import DatabaseOverloaded, DatabaseUnusable
from foundation.keys import KeysUnusable
from foundation.settings import SettingsError
from foundation.webserver.serve import AddressTaken

EXPECTED = (
    Refused,
    SettingsError,
    DatabaseUnusable,
    DatabaseOverloaded,
    KeysUnusable,
    AddressTaken,
    NameTaken,
)
OF_FILES = (FileExistsError, FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError)
OF_DISKS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EMFILE)
DRIVERS = ("psycopg", "psycopg2", "MySQLdb", "pymysql", "oracledb", "cx_Oracle", "pyodbc", "asyncpg")
URLS = (
    "give sqlite:////a/file or, after `pip install callrouter[postgresql]`, "
    "postgresql+psycopg://user:password@host/name"
)
UNREACHED = ("connection failed", "connection to server", "unable to open database file")


def said(error: Exception) -> str:
    """What is wrong and what to do about it; empty for a bug."""
    if isinstance(error, EXPECTED):
        return str(error)
    if isinstance(error, DBAPIError):
        return _of_database(error)
    if isinstance(error, ArgumentError | NoSuchModuleError):
        return f"a database URL in the settings is wrong: {error}; {URLS}"
    if isinstance(error, ModuleNotFoundError) and error.name in DRIVERS:
        return f"a database URL in the settings needs {error.name}, which is not installed; {URLS}"
    if isinstance(error, OF_FILES) or (isinstance(error, OSError) and error.errno in OF_DISKS):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror or error}"
    return ""


def _of_database(error: DBAPIError) -> str:
    first_line = str(error.orig).strip().partition("\n")[0]
    missing = "no such table" in first_line or "does not exist" in first_line
    remedy = "; run `callrouter db upgrade`" if missing else ""
    if first_line.startswith(UNREACHED):
        remedy = "; start it, or correct CALLROUTER_ROUTER_DATABASE_URL and CALLROUTER_PRESENCE_DATABASE_URL"
    return f"the database refuses: {first_line}{remedy}"

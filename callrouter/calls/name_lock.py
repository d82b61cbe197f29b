"""A router's name on this machine: held by one process at a time, and what the last one that held it was.

A lease in the database runs on after its router died. A process that starts under the same name must know whether that
life is over: it is when we hold the lock on this file and the file names the lease. A lease that the file does not name
is another machine's, and only its end proves anything.
"""

import fcntl
import hashlib
import os
from pathlib import Path
from urllib.parse import quote


class NameTaken(Exception):
    """Another router process works under this name; the operator gives each one its own."""


class NameLock:
    """Held until `close`, or until the process dies however it does. NameTaken: another process here holds it."""

    def __init__(self, folder: Path, name: str, database_url: str) -> None:
        """`database_url`: leases of another database say nothing about this one's."""
        folder.mkdir(parents=True, exist_ok=True)
        self._database = hashlib.sha256(database_url.encode()).hexdigest()
        path = folder / f"{quote(name, safe='')}.router"
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._file)
            raise NameTaken(
                f"another process on this machine is the router {name!r} ({path} is locked): "
                "stop it, or set CALLROUTER_ROUTER_NAME"
            ) from error

    @property
    def epoch(self) -> int | None:
        """The number of the last lease that was taken from here; whoever took it is gone."""
        database, _, epoch = os.pread(self._file, 200, 0).decode("ascii", "replace").strip().partition(" ")
        return int(epoch) if database == self._database and epoch.isdecimal() else None

    def note(self, epoch: int) -> None:
        """Remembers that we have this lease."""
        line = f"{self._database} {epoch}\n".encode()
        os.pwrite(self._file, line, 0)
        os.ftruncate(self._file, len(line))

    def close(self) -> None:
        os.close(self._file)

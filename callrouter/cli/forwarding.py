"""Numbers whose webhooks go elsewhere for a while, and what they asked before: `callrouter listen`.

What was there is written to a file in the data directory before anything is changed, and the file is locked while its
process lives. So the next one gives back what a process left that died.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from sqlalchemy import Connection, select

from callrouter.cli.deployment import Deployment
from callrouter.directory import numbers
from callrouter.directory.numbers import Number
from callrouter.models import PhoneNumber

FOLDER = "listening"
ASKED = ("voice_url", "sms_url")
"""They are set, whether the number had one or not."""
BESIDE = ("voice_fallback_url", "sms_fallback_url", "status_callback")
"""They are set where the number has one."""
APPLICATIONS = ("voice_application_sid", "sms_application_sid")
"""They would be asked instead of the number's own URLs."""


def forwarded(number: Number, target: str) -> dict[str, str]:
    """What the number has to say so that `target` is asked. Of a target without a path, each URL keeps its own."""
    settings = dict.fromkeys(APPLICATIONS, "")
    for name in (*ASKED, *BESIDE):
        now = getattr(number, name)
        if now or name in ASKED:
            settings[name] = _at(target, now)
    return settings


def _at(target: str, url: str) -> str:
    wanted, before = urlsplit(target), urlsplit(url)
    if wanted.path not in ("", "/") or wanted.query:
        return target
    return urlunsplit((wanted.scheme, wanted.netloc, before.path or "/", before.query, before.fragment))


class Forwarding:
    """A context manager: the numbers are as they were afterwards."""

    def __init__(self, deployment: Deployment, chosen: list[Number], target: str) -> None:
        self._deployment = deployment
        self._entries: list[dict[str, Any]] = [
            {
                "account_sid": one.account_sid,
                "sid": one.sid,
                "phone_number": one.phone_number,
                "before": {name: getattr(one, name) for name in forwarded(one, target)},
                "after": forwarded(one, target),
            }
            for one in chosen
        ]
        folder = deployment.settings.data_dir / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"{os.getpid()}.json"

    def __enter__(self) -> "Forwarding":
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        os.write(self._file, json.dumps(self._entries).encode())
        os.fsync(self._file)
        now = self._deployment.now()

        def set_(connection: Connection) -> None:
            for one in self._entries:
                numbers.change(connection, one["account_sid"], one["sid"], one["after"], now)

        try:
            self._deployment.write(set_)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        give_back(self._deployment, self._entries)
        self._end()

    def _end(self) -> None:
        self._path.unlink(missing_ok=True)
        os.close(self._file)


def busy(deployment: Deployment) -> dict[str, int]:
    """The SIDs of numbers that another process forwards now, and its process id."""
    taken: dict[str, int] = {}
    for path, entries, lives in _kept(deployment.settings.data_dir / FOLDER):
        if lives:
            taken.update({one["sid"]: int(path.stem) for one in entries})
    return taken


def mend(deployment: Deployment) -> list[str]:
    """Gives back what processes left that died; answers with the numbers concerned."""
    mended: list[str] = []
    for path, entries, lives in _kept(deployment.settings.data_dir / FOLDER):
        if not lives:
            mended += give_back(deployment, entries)
            path.unlink(missing_ok=True)
    return mended


def give_back(deployment: Deployment, entries: list[dict[str, Any]]) -> list[str]:
    """What still is as it was forwarded asks again what it asked before; what somebody changed since stays so."""
    now = deployment.now()

    def unset(connection: Connection) -> list[str]:
        done = []
        for one in entries:
            mine = PhoneNumber.account_sid == one["account_sid"], PhoneNumber.sid == one["sid"]
            row = connection.execute(select(PhoneNumber.__table__).where(*mine)).one_or_none()
            if row is None:
                continue
            same = {
                name: text for name, text in one["before"].items() if row._mapping[name] == one["after"][name]
            }
            numbers.change(connection, one["account_sid"], one["sid"], same, now)
            done.append(str(row.phone_number))
        return done

    return deployment.write(unset)


def _kept(folder: Path) -> Iterator[tuple[Path, list[dict[str, Any]], bool]]:
    """Each file with what it says, and whether its process lives."""
    for path in sorted(folder.glob("*.json")):
        with path.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                lives = False
            except BlockingIOError:
                lives = True
            try:
                entries = json.loads(file.read())
            except ValueError:  # it died before it had changed anything
                entries = []
            yield path, entries, lives

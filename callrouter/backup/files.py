"""Which files belong to a deployment beside its databases; all others can be made again."""

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from callrouter.media.sheet import DRAFT

KEYS = ("secret.key", "operator.key")
FOLDERS = ("tls", "media/recordings", "media/attachments", "voice")
"""`voice`: what a voice node recorded and has not handed over yet."""
GATEWAYS = "smpp-*.sqlite3"
"""What SMPP gateways remember of messages under way."""
LISTENING = "listening"
"""What numbers asked before `callrouter listen` was started: it gives that back."""


def names(folder: Path) -> Iterator[str]:
    """Relative to the data directory, in order. Databases of gateways are not among them: see `gateways`."""
    for name in KEYS:
        if (folder / name).is_file():
            yield name
    for part in (*FOLDERS, LISTENING):
        for path in sorted((folder / part).rglob("*")):
            if path.is_file() and not path.is_symlink() and not path.name.startswith(DRAFT):
                yield path.relative_to(folder).as_posix()


def gateways(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob(GATEWAYS))


@contextmanager
def copied(database: Path) -> Iterator[Path]:
    """A copy of a SQLite file as it is now, although a gateway goes on writing to it."""
    with tempfile.TemporaryDirectory(dir=database.parent) as folder:
        copy = Path(folder) / database.name
        source, target = sqlite3.connect(database), sqlite3.connect(copy)
        try:
            source.backup(target)
        finally:
            target.close()
            source.close()
        yield copy


def taken(name: str) -> bool:
    """Whether a file of that name may come out of a backup."""
    return (
        name in KEYS
        or any(name.startswith(f"{part}/") for part in (*FOLDERS, LISTENING))
        or ("/" not in name and Path(name).match(GATEWAYS))
    )


def roots(folder: Path) -> list[str]:
    """What of a data directory is moved out of the way, and put in its place."""
    found = [*KEYS, *FOLDERS, LISTENING, *gateways(folder)]
    return [name for name in found if (folder / name).exists()]

"""The file of a backup: a gzipped tar whose last member says what the others' SHA-256 digests are.

It holds the keys, so only its owner may read it. It gets its name when it is complete.
"""

import gzip
import hashlib
import json
import os
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

MANIFEST = "manifest.json"
DIGESTS = "digests.json"
CHUNK = 1 << 20
SPOOLED = 1 << 23
"""Bytes of a table that are kept in memory before they go to a file without a name."""


class Damaged(Exception):
    """The file is no backup of ours, or not as it was written."""


class Writer:
    """A context manager; a failure in it leaves no file behind."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._digests: dict[str, str] = {}

    def __enter__(self) -> "Writer":
        descriptor, name = tempfile.mkstemp(
            dir=self._path.absolute().parent, prefix=f".{self._path.name}."
        )  # mode 0600
        self._draft, self._file = Path(name), os.fdopen(descriptor, "wb")
        self._tar = tarfile.open(fileobj=self._file, mode="w:gz", compresslevel=3)
        return self

    def __exit__(self, failed: object, *_: object) -> None:
        try:
            if failed is None:
                self.add_json(DIGESTS, dict(self._digests))
                self._tar.close()
                self._file.flush()
                os.fsync(self._file.fileno())
                self._draft.replace(self._path)
        finally:
            self._file.close()
            self._draft.unlink(missing_ok=True)

    def add_json(self, name: str, value: Any) -> None:
        self.add_lines(name, [json.dumps(value, indent=2)])

    def add_lines(self, name: str, lines: Iterable[str]) -> int:
        """Returns how many there were."""
        count = 0
        folder = str(self._path.absolute().parent)
        with tempfile.SpooledTemporaryFile(SPOOLED, dir=folder) as spool:
            for line in lines:
                spool.write(line.encode() + b"\n")
                count += 1
            size = spool.tell()
            spool.seek(0)
            self._add(name, spool, size)
        return count

    def add_file(self, name: str, path: Path) -> bool:
        """False when it is not there any more: what is deleted while we look was not to be kept."""
        try:
            with path.open("rb") as file:
                self._add(name, file, os.fstat(file.fileno()).st_size)
        except FileNotFoundError:
            return False
        return True

    def _add(self, name: str, file: IO[bytes], size: int) -> None:
        info = tarfile.TarInfo(name)
        info.size, info.mode = size, 0o600
        digesting = _Digesting(file)
        self._tar.addfile(info, digesting)
        self._digests[name] = digesting.digest.hexdigest()


def members(path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Each member's name and content, in order; to be read where `readable` stands."""
    with tarfile.open(path, "r:gz") as tar:
        for info in tar:
            name = Path(info.name)
            if not info.isreg() or name.is_absolute() or ".." in name.parts:
                raise Damaged(f"{path} is no backup of callrouter: it holds {info.name!r}")
            content = tar.extractfile(info)
            assert content is not None
            yield info.name, content


def verified(path: Path) -> dict[str, Any]:
    """The manifest of a backup that is as it was written; Damaged otherwise. Reads all of it."""
    with readable(path):
        texts: dict[str, bytes] = {}
        found: dict[str, str] = {}
        for name, content in members(path):
            if name in (MANIFEST, DIGESTS):
                texts[name] = content.read()
            if name != DIGESTS:
                found[name] = hashlib.sha256(texts[name]).hexdigest() if name in texts else _digest(content)
    if MANIFEST not in texts:
        raise Damaged(f"{path} is no backup of callrouter")
    written = _object(path, texts[DIGESTS]) if DIGESTS in texts else None
    if written != found:
        raise Damaged(f"{path} is damaged: what it holds is not what was written; take another backup")
    return _object(path, texts[MANIFEST])


def _object(path: Path, text: bytes) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise Damaged(f"{path} is no backup of callrouter")
    return value


def _digest(content: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while chunk := content.read(CHUNK):
        digest.update(chunk)
    return digest.hexdigest()


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turns the many ways in which reading a broken archive fails into Damaged."""
    try:
        yield
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise Damaged(f"{path} is damaged or no backup of callrouter: {error}") from error


class _Digesting:
    """A file that digests what is read from it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        chunk = self._file.read(size)
        self.digest.update(chunk)
        return chunk


def undone(moves: Iterable[tuple[Path, Path]], act: Callable[[Path, Path], None] = os.replace) -> None:
    """Moves each source to its target, or, when one fails, none of them."""
    done: list[tuple[Path, Path]] = []
    try:
        for source, target in moves:
            act(source, target)
            done.append((source, target))
    except BaseException:
        for source, target in reversed(done):
            with suppress(OSError):
                os.replace(target, source)
        raise

"""What was converted or spoken once, kept on disk under a bound; the longest unused goes first (MD-9).

A folder for each account, so nothing of one can be found by another (MD-7). Losing any of it costs time only.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog
from prometheus_client import Gauge

from callrouter.media import sheet
from callrouter.media.sheet import Sheet

log = structlog.get_logger(__name__)

KEPT_BYTES = Gauge("callrouter_media_cache_bytes", "Bytes of converted sound on disk.")

Name = tuple[str, str]
"""Account and key."""


class Shelf:
    """Sheets by account and key; safe in many threads. Keys are file names of our own making."""

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder = folder
        self._limit = limit
        self._lock = threading.Lock()
        self._sizes: OrderedDict[Name, int] = OrderedDict()  # longest unused first
        self._held = 0
        self._load()

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return self._held

    def get(self, account: str, key: str) -> Sheet | None:
        with self._lock:
            if (account, key) not in self._sizes:
                return None
            self._sizes.move_to_end((account, key))
        path = self._path((account, key))
        found = sheet.read(path)
        if found is None:
            self.drop(account, key)
            return None
        with suppress(OSError):
            os.utime(path)  # the order of use outlives this process
        return found

    def put(self, account: str, key: str, kept: Sheet) -> None:
        """A full disk is logged and otherwise as good as an eviction; so is a sound that is a quarter of the shelf."""
        if len(kept.body) > self._limit // 4:
            self.drop(account, key)
            return
        path = self._path((account, key))
        try:
            with sheet.drafted(path.parent, kept, durable=False) as (draft, size), self._lock:
                os.replace(draft, path)
                self._held += size - self._sizes.pop((account, key), 0)
                self._sizes[account, key] = size
                self._make_room()
        except OSError as error:
            log.warning("a sound cannot be kept", error=str(error))
            self.drop(account, key)

    def drop(self, account: str, key: str) -> None:
        with self._lock:
            self._remove((account, key))

    def purge(self, account: str, chosen: Callable[[dict[str, Any]], bool]) -> int:
        """Drops the account's sounds whose facts are chosen; how many that were."""
        with self._lock:
            names = [name for name in self._sizes if name[0] == account]
        names = [name for name in names if chosen(sheet.facts(self._path(name)))]
        with self._lock:
            return sum(self._remove(name) for name in names)

    def _path(self, name: Name) -> Path:
        return self._folder / name[0] / name[1]

    def _load(self) -> None:
        found: list[tuple[float, Name, int]] = []
        for path in self._folder.glob("*/*"):
            if path.name.startswith(sheet.DRAFT):
                path.unlink(missing_ok=True)
                continue
            stat = path.stat()
            found.append((stat.st_mtime, (path.parent.name, path.name), stat.st_size))
        self._sizes.update((name, size) for _, name, size in sorted(found))
        self._held = sum(self._sizes.values())
        self._make_room()

    def _make_room(self) -> None:
        while self._held > self._limit:
            self._remove(next(iter(self._sizes)))
        KEPT_BYTES.set(self._held)

    def _remove(self, name: Name) -> bool:
        if name not in self._sizes:
            return False
        self._held -= self._sizes.pop(name)
        with suppress(OSError):
            self._path(name).unlink()
        return True

"""Recordings on their way: files in a folder of ours, written by one thread so that no disk stops the audio."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

log = logging.getLogger(__name__)

_MAX_WAITING = 1 << 20  # bytes that a disk may leave us waiting with: two minutes of audio
_KEEP_SECONDS = 7 * 86_400
_SUFFIX = ".ulaw"


class SpoolFault(Exception):
    """The disk did not take the audio: it is full, too slow, or not ours to write on."""


class Spool:
    """A file that was never removed (its upload failed, or the node was killed) is kept for a week."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="spool")
        self._prepared = False

    def new(self) -> SpoolFile:
        if not self._prepared:
            self._prepared = True
            self._writer.submit(self._prepare)
        return SpoolFile(self._folder / f"{secrets.token_hex(12)}{_SUFFIX}", self._writer)

    def close(self) -> None:
        self._writer.shutdown(wait=False)

    def _prepare(self) -> None:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            oldest = time.time() - _KEEP_SECONDS
            for path in self._folder.glob(f"*{_SUFFIX}"):
                if path.stat().st_mtime < oldest:
                    path.unlink()
        except OSError as error:
            log.error("recordings cannot be made, because of the spool folder: %s", error)


class SpoolFile:
    """`append` never waits; the first fault ends the writing, and `close` raises it."""

    def __init__(self, path: Path, writer: ThreadPoolExecutor) -> None:
        self.path = path
        self._writer = writer
        self._file: BinaryIO | None = None
        self._fault = ""
        self._taken = 0
        self.written = 0
        """Bytes on the disk."""

    @property
    def failed(self) -> bool:
        return bool(self._fault)

    def append(self, audio: bytes) -> None:
        if self._fault:
            return
        self._taken += len(audio)
        if self._taken - self.written > _MAX_WAITING:
            self._fault = f"the disk of {self.path.parent} is too slow"
        else:
            self._writer.submit(self._write, audio)

    async def close(self) -> None:
        """All is on the disk, or `SpoolFault`; then `written` is what there is."""
        await asyncio.get_running_loop().run_in_executor(self._writer, self._close)
        if self._fault:
            raise SpoolFault(self._fault)

    async def remove(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._writer, self._remove)

    # -- in the writer's thread --------------------------------------------------

    def _write(self, audio: bytes) -> None:
        if self._fault:
            return
        try:
            if self._file is None:
                self._file = self._open()
            rest = memoryview(audio)
            while rest:
                count = self._file.write(rest)
                self.written += count
                rest = rest[count:]
        except OSError as error:
            self._fault = f"{self.path.parent}: {error.strerror or error}"

    def _open(self) -> BinaryIO:
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        return os.fdopen(descriptor, "wb", buffering=0)

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _remove(self) -> None:
        self.path.unlink(missing_ok=True)

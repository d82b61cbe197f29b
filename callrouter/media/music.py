"""Hold music: the operator's file, or a tune of our own."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path

from callrouter.media.conversion import MOST_BYTES, RATE, to_mulaw
from callrouter.media.sound import digest
from callrouter.media.tune import tune
from foundation.webserver.errors import ApiError

LONGEST = 600
"""Seconds; every voice node keeps it in memory."""
CACHE_CONTROL = "private, max-age=3600"
RAW = {**dict.fromkeys((".ul", ".ulaw", ".pcmu"), "audio/basic"), ".gsm": "audio/gsm"}
"""What has no head of its own is known by its name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tune:
    """8 kHz mono mu-law."""

    body: bytes = field(repr=False)
    etag: str


class Music:
    """Made when it is first asked for, and again when the file has changed."""

    def __init__(self, file: str = "") -> None:
        self._file = Path(file) if file else None
        self._lock = threading.Lock()
        self._kept: tuple[object, Tune] | None = None

    def tune(self) -> Tune:
        """ApiError 20503 when the operator's file can't be played."""
        with self._lock:
            version = self._version()
            if self._kept is None or self._kept[0] != version:
                body = tune() if self._file is None else _converted(self._file)
                self._kept = version, Tune(body=body, etag=digest(body))
            return self._kept[1]

    def playable(self) -> str | None:
        """For the readiness check: what is wrong with the file, if anything."""
        try:
            self._version()
        except ApiError as error:
            return error.message
        return None

    def _version(self) -> object:
        if self._file is None:
            return None
        try:
            facts = self._file.stat()
        except OSError as error:
            raise _unusable(f"cannot be read: {error.strerror}") from error
        return facts.st_mtime_ns, facts.st_size


def _converted(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            sound = opened.read(MOST_BYTES + 1)
        body = to_mulaw(sound, RAW.get(file.suffix.lower(), ""))
    except OSError as error:
        raise _unusable(f"cannot be read: {error.strerror}") from error
    except ApiError as error:
        raise _unusable(f"cannot be played: {error.message}") from error
    if len(body) > LONGEST * RATE:
        raise _unusable(f"is longer than {LONGEST} s.")
    return body


def _unusable(what: str) -> ApiError:
    return ApiError(
        503, 20503, f"The hold music (CALLROUTER_HOLD_MUSIC) {what.rstrip('.')}. The operator can mend this."
    )

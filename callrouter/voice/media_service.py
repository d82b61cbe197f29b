"""The media service's HTTP client: sounds from it, recordings and speech to it. Blocking, safe in many threads.

It follows no redirect, because our service token is for the media service alone.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import urllib3
from urllib3.exceptions import HTTPError
from urllib3.response import BaseHTTPResponse

PLATFORM_FAULT = 12400
"""Our own fault, and nobody else's: whose else it is, the media service says with a code."""

_CONNECT_SECONDS = 2.0
_STORE_SECONDS = 20.0  # for each step: to be taken in, to hand over a piece, to be answered
_PIECE = 65_536
_MAX_SOUND = 3700 * 8000  # bytes: the service refuses more than an hour
_MAX_AGE = re.compile(r"(?:^|[,\s])max-age=([0-9]{1,9})")

Credentials = Callable[[], Mapping[str, str]]
"""The headers that say who we are; asked for every request."""


class MediaUnavailable(Exception):
    """No usable answer from the media service: it is away, overloaded or ill. The same request may work later."""


class MediaRefused(Exception):
    """The media service said no: `code` is Twilio's, the text says whose fault it is."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, kw_only=True)
class Sound:
    """`audio` is mu-law, None for "what you have"; `keep`: seconds to play it unasked, None: never keep it."""

    audio: bytes | None
    etag: str
    keep: float | None


@dataclass(frozen=True, kw_only=True)
class Stored:
    """What the media service made of a recording, after trimming."""

    seconds: int
    silent: bool


@dataclass(frozen=True, kw_only=True)
class Recognised:
    """What was said, "" for nothing that could be understood; `confidence` from 0 to 1."""

    text: str
    confidence: float


class MediaService:
    """Raises `MediaRefused` and `MediaUnavailable`."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._pool = urllib3.PoolManager(num_pools=8, maxsize=64, retries=False)

    def close(self) -> None:
        self._pool.clear()

    def sound(self, url: str, etag: str, deadline: float) -> Sound:
        """The sound at `url`, unless it still is the one of `etag`. `deadline` is of `time.monotonic`."""
        headers = {"If-None-Match": etag} if etag else {}
        wait = max(0.1, deadline - time.monotonic())
        timeout = urllib3.Timeout(connect=min(wait, _CONNECT_SECONDS), read=wait)
        with self._exchange("GET", url, headers, timeout) as answer:
            body = _read(answer, _MAX_SOUND, deadline)
        if answer.status not in (200, 304):
            raise _refusal(answer.status, body)
        kind = answer.headers.get("Content-Type", "")
        if answer.status == 200 and not kind.startswith("audio/basic"):
            raise MediaRefused(PLATFORM_FAULT, f"The media service sent {kind!r} in place of a sound.")
        cache = answer.headers.get("Cache-Control", "").lower()
        age = _MAX_AGE.search(cache)
        return Sound(
            audio=body if answer.status == 200 else None,
            etag=answer.headers.get("ETag", etag if answer.status == 304 else ""),
            keep=None if "no-store" in cache else float(age[1]) if age and "no-cache" not in cache else 0.0,
        )

    def store(self, url: str, path: Path) -> Stored:
        """Put a file of mu-law where it belongs; doing it twice is safe."""
        headers = {"Content-Type": "audio/basic", "Content-Length": str(path.stat().st_size)}
        timeout = urllib3.Timeout(_STORE_SECONDS)
        with path.open("rb") as file, self._exchange("PUT", url, headers, timeout, file) as answer:
            body = _read(answer, _PIECE, time.monotonic() + _STORE_SECONDS)
        if answer.status in (408, 429) or answer.status >= 500:
            raise MediaUnavailable(
                f"the media service answered {answer.status}: {_refusal(answer.status, body)}"
            )
        if not 200 <= answer.status < 300:
            raise _refusal(answer.status, body)
        facts = _object(body)
        if not isinstance(facts.get("seconds"), int | float):
            raise MediaUnavailable("the media service gave no receipt for the recording")
        return Stored(seconds=int(facts["seconds"]), silent=bool(facts.get("silent")))

    def recognise(self, url: str, audio: bytes, deadline: float) -> Recognised:
        """What is said in mu-law audio. `deadline` is of `time.monotonic`."""
        wait = max(0.1, deadline - time.monotonic())
        timeout = urllib3.Timeout(connect=min(wait, _CONNECT_SECONDS), read=wait)
        with self._exchange("POST", url, {"Content-Type": "audio/basic"}, timeout, audio) as answer:
            body = _read(answer, _PIECE, deadline)
        if answer.status != 200:
            raise _refusal(answer.status, body)
        facts = _object(body)
        text, confidence = facts.get("text"), facts.get("confidence", 0.0)
        if not isinstance(text, str) or not isinstance(confidence, int | float):
            raise MediaRefused(PLATFORM_FAULT, "The media service's answer does not say what was understood.")
        return Recognised(text=text, confidence=min(1.0, max(0.0, float(confidence))))

    @contextmanager
    def _exchange(
        self,
        method: str,
        url: str,
        headers: dict[str, str],
        timeout: urllib3.Timeout,
        body: BinaryIO | bytes | None = None,
    ) -> Iterator[BaseHTTPResponse]:
        try:
            answer = self._pool.request(
                method,
                url,
                body=body,
                headers={**self._credentials(), **headers},
                preload_content=False,
                redirect=False,
                timeout=timeout,
            )
            try:
                yield answer
            except BaseException:
                answer.close()  # not to be used again: the rest of the answer is still on it
                raise
        except (HTTPError, OSError) as error:
            raise MediaUnavailable(f"the media service did not answer: {error}") from error


def _read(answer: BaseHTTPResponse, limit: int, deadline: float) -> bytes:
    body = bytearray()
    while piece := answer.read1(_PIECE):
        body += piece
        if len(body) > limit:
            raise MediaRefused(PLATFORM_FAULT, f"The media service sent more than {limit} bytes.")
        if time.monotonic() > deadline:
            raise MediaUnavailable("the media service was too slow")
    return bytes(body)


def _refusal(status: int, body: bytes) -> MediaRefused:
    """By the four keys of an error body, if it has them."""
    facts = _object(body)
    code = facts.get("code")
    if not isinstance(code, int) or isinstance(code, bool):
        code = PLATFORM_FAULT
    text = facts.get("message") or f"The media service answered with status {status}."
    return MediaRefused(code, str(text))


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}

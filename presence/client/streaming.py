"""Server-sent events as they come, over any number of connections: what `Watch` and `Inbox` have in common."""

import random
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Generic, Self, TypeVar

import requests
from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError

from presence.client.server_events import ServerEvent, events
from presence.client.transport import PresenceRefused, PresenceUnavailable, Transport

M = TypeVar("M")

SILENCE = 45.0  # seconds without even a keep-alive, which comes every 15: the connection is dead
FIRST_DELAY, LONGEST_DELAY = 0.2, 20.0  # seconds until the next connection


class Stream(Generic[M]):
    """An iterator that makes a lost connection again, until it is closed, from any thread. PresenceRefused when the
    server refuses, such as a token that has expired; PresenceUnavailable after `patience` seconds without it."""

    def __init__(
        self, http: Transport, path: str, parameters: Mapping[str, Any], *, patience: float | None = None
    ) -> None:
        self._http, self._path, self._parameters, self._patience = http, path, parameters, patience
        self._closing = threading.Event()
        self._response: requests.Response | None = None

    def close(self) -> None:
        self._closing.set()
        if self._response is not None:
            with suppress(Exception):  # the socket may be gone already; what matters is that no reader waits
                self._response.raw.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[M]:
        delay, heard = FIRST_DELAY, time.monotonic()
        while not self._closing.is_set():
            wait = delay * random.uniform(0.5, 1.0)  # noqa: S311 - spreads the load
            try:
                for message in self._messages():
                    yield message
                    delay, heard = FIRST_DELAY, time.monotonic()
            except PresenceUnavailable:
                if self._patience is not None and time.monotonic() - heard > self._patience:
                    raise
            except PresenceRefused as refused:
                if refused.status != 429:
                    raise
                wait = refused.retry_after or delay
            self._closing.wait(wait)
            delay = min(2 * delay, LONGEST_DELAY)

    def _messages(self) -> Iterator[M]:
        """Those of one connection, until it ends."""
        headers = {"Accept": "text/event-stream", **self._headers()}
        with self._http.stream(self._path, self._parameters, headers, SILENCE) as response:
            self._response = response
            if self._closing.is_set():
                return
            try:
                for event in events(_lines(response.raw)):
                    if event.name == "ended":
                        return
                    message = self._heard(event)
                    if message is not None:
                        yield message
            except (HTTPError, OSError) as error:
                if not self._closing.is_set():
                    raise PresenceUnavailable(f"the stream broke: {type(error).__name__}") from error
            finally:
                self._response = None

    def _headers(self) -> dict[str, str]:
        """Further ones of the next connection."""
        return {}

    def _heard(self, event: ServerEvent) -> M | None:
        """What the event says, if it says anything."""
        raise NotImplementedError


def _lines(body: BaseHTTPResponse) -> Iterator[bytes]:
    """As they come; the library's own `iter_lines` waits for full chunks where the server sends none."""
    pending = b""
    while chunk := body.read1(65_536):
        *whole, pending = (pending + chunk).split(b"\n")
        yield from whole

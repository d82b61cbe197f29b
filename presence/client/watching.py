"""Watches clients: messages as they come, over any number of connections, and the view that they add up to."""

import json
import random
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Self

import requests
from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError

from presence.client.server_events import events
from presence.client.transport import PresenceRefused, PresenceUnavailable, Transport
from presence.client.values import Event, Message

SILENCE = 45.0  # seconds without even a keep-alive, which comes every 15: the connection is dead
FIRST_DELAY, LONGEST_DELAY = 0.2, 20.0  # seconds until the next connection


class Watch:
    """An iterator over messages; after each, `view` has everybody in view as they are then.

        with presence.watch(contact_list="sales") as watch:
            for message in watch:
                print({name: one.status for name, one in watch.view.items()})

    A lost connection is made again from `cursor`, the last message's `as_of`, and nothing is missed. It ends when it
    is closed, from any thread. PresenceRefused when the server refuses, such as a token that has expired.
    """

    def __init__(
        self,
        http: Transport,
        path: str,
        parameters: Mapping[str, Any],
        *,
        cursor: int | None = None,
        patience: float | None = None,
    ) -> None:
        self._http, self._path, self._parameters, self._patience = http, path, parameters, patience
        self.cursor = cursor
        self.view: dict[str, Event] = {}
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

    def __iter__(self) -> Iterator[Message]:
        delay, heard = FIRST_DELAY, time.monotonic()
        while not self._closing.is_set():
            wait = delay * random.uniform(0.5, 1.0)  # noqa: S311 - spreads the load
            try:
                for message in self._messages():
                    self._fold(message)
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

    def _messages(self) -> Iterator[Message]:
        """Those of one connection, until it ends."""
        headers = {"Accept": "text/event-stream"}
        if self.cursor is not None:
            headers["Last-Event-ID"] = str(self.cursor)
        with self._http.stream(self._path, self._parameters, headers, SILENCE) as response:
            self._response = response
            if self._closing.is_set():
                return
            try:
                for event in events(_lines(response.raw)):
                    if event.name == "presence":
                        yield Message.of(json.loads(event.data))
                    elif event.name == "ended":
                        return
            except (HTTPError, OSError) as error:
                if not self._closing.is_set():
                    raise PresenceUnavailable(f"the stream broke: {type(error).__name__}") from error
            finally:
                self._response = None

    def _fold(self, message: Message) -> None:
        if message.snapshot:
            self.view.clear()
        for name in message.removed:
            self.view.pop(name, None)
        self.view.update((one.client, one) for one in message.clients)
        if not message.more:
            self.cursor = message.as_of


def _lines(body: BaseHTTPResponse) -> Iterator[bytes]:
    """As they come; the library's own `iter_lines` waits for full chunks where the server sends none."""
    pending = b""
    while chunk := body.read1(65_536):
        *whole, pending = (pending + chunk).split(b"\n")
        yield from whole

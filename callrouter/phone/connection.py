"""The phone's line to the presence server: a WebSocket that comes back by itself.

As the Voice SDK does it: JSON frames of `type` and `payload`; a newline is answered by a newline; 15 s without
a message is a dead line; reconnects with doubling delays; what was said meanwhile is sent right after `listen`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import ssl
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import structlog
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

log = structlog.get_logger(__name__)

SILENCE = 15.0
FIRST_DELAY, LONGEST_DELAY, JITTER = 0.1, 20.0, 0.4
OPEN_TIMEOUT = 5.0
QUEUE = 100
"""Messages kept while the line is down; more is an error of the caller."""
FRAME_LIMIT = 65_536

Payload = Mapping[str, Any]
NOT_KEPT = ("listen", "register", "reinvite")
"""They make sense on a live line only."""


class SignalUnreachable(Exception):
    """The signalling server can't be reached: check its address, its certificate (--ca) and that it runs."""


class PhoneRefused(Exception):
    """The signalling server refused us; `code` is its own (31204, 31205 …)."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message = code, message


def tls(ca: Path | None) -> ssl.SSLContext:
    """Trusts the system's authorities, or only those of the file `ca`. SignalUnreachable if it is none."""
    try:
        return ssl.create_default_context(cafile=ca)
    except OSError as fault:  # ssl.SSLError is one
        raise SignalUnreachable(f"{ca} is no file of certificates: {fault}") from fault


class Connection:
    """`opened()` gives the `listen` payload of each new socket, `received(type, payload)` gets each message
    in turn, `lost()` hears of each end. It never gives up by itself."""

    def __init__(
        self,
        url: str,
        context: ssl.SSLContext | None,
        *,
        opened: Callable[[], Payload],
        received: Callable[[str, Payload], Awaitable[None]],
        lost: Callable[[], None],
        rng: random.Random,
    ) -> None:
        self.url = url
        self.fault = "no answer yet"
        """Why there is no line; empty while it is up."""
        self._context, self._rng = context, rng
        self._opened, self._received, self._lost = opened, received, lost
        self._outbox: deque[str] = deque()
        self._news, self._sent = asyncio.Event(), asyncio.Event()
        self._socket: ClientConnection | None = None
        self._task: asyncio.Task[None] | None = None
        self._delay = FIRST_DELAY

    @property
    def up(self) -> bool:
        return self._socket is not None

    def start(self) -> None:
        """Nothing if it runs."""
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Sends what waits, says goodbye and stays closed until the next `start`. Takes seconds at most."""
        task, self._task = self._task, None
        if self._socket:
            with contextlib.suppress(TimeoutError, WebSocketException):
                async with asyncio.timeout(2):
                    await self._sent.wait()
                    await self._socket.close()
        if task:
            task.cancel()
            await asyncio.wait([task])

    async def drop(self) -> None:
        """Breaks the line without goodbye, as a network does. It comes back."""
        if self._socket:
            self._socket.transport.abort()

    def send(self, type: str, payload: Payload) -> None:
        """Now, or once the line is back; RuntimeError when QUEUE messages wait already."""
        if not self.up and type in NOT_KEPT:
            return
        if len(self._outbox) >= QUEUE:
            raise RuntimeError(f"{QUEUE} messages wait for the signalling server: {self.fault}")
        self._outbox.append(_frame(type, payload))
        self._sent.clear()
        self._news.set()

    async def _run(self) -> None:
        while True:
            try:
                async with connect(
                    self.url,
                    ssl=self._context,
                    open_timeout=OPEN_TIMEOUT,
                    close_timeout=1,
                    ping_interval=None,
                    max_size=FRAME_LIMIT,
                    compression=None,
                    proxy=None,
                ) as socket:
                    self.fault = await self._talk(socket)
            except (OSError, TimeoutError, WebSocketException) as fault:
                self.fault = f"{fault.__class__.__name__}: {fault}"
            await asyncio.sleep(self._delay * self._rng.uniform(1 - JITTER, 1 + JITTER))
            self._delay = min(2 * self._delay, LONGEST_DELAY)

    async def _talk(self, socket: ClientConnection) -> str:
        """One socket's life; why it ended."""
        await socket.send(_frame("listen", self._opened()))
        self._socket, self.fault = socket, ""
        writer = asyncio.create_task(self._write(socket))
        try:
            while True:
                async with asyncio.timeout(SILENCE):
                    message = await socket.recv()
                self._delay = FIRST_DELAY  # not at its opening: a server that only hangs up is left in peace
                if message == "\n":
                    await socket.send("\n")
                else:
                    await self._message(message)
        except TimeoutError:
            return f"the server was silent for {SILENCE:g} seconds"
        except ConnectionClosed as closed:
            return f"the server closed the line: {closed}"
        finally:
            self._socket = None
            writer.cancel()
            self._lost()

    async def _write(self, socket: ClientConnection) -> None:
        with contextlib.suppress(ConnectionClosed):  # the reader sees it too
            while True:
                while self._outbox:
                    await socket.send(self._outbox[0])
                    self._outbox.popleft()
                self._sent.set()
                self._news.clear()
                await self._news.wait()

    async def _message(self, message: str | bytes) -> None:
        try:
            frame = json.loads(message)
            kind, payload = frame["type"], frame.get("payload") or {}
        except (ValueError, LookupError, TypeError, AttributeError):
            log.warning("a frame from the signalling server is not of its protocol", size=len(message))
            return
        try:
            await self._received(kind, payload)
        except Exception:  # a message that we can't digest must not cost the line
            log.exception("could not handle a message of the signalling server", type=kind)


def _frame(type: str, payload: Payload) -> str:
    return json.dumps({"type": type, "payload": payload, "version": "1.6"})

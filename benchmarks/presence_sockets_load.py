"""The load of `presence_sockets.py`: thousands of client apps on one event loop, with as little as a client can do.

A WebSocket client of this kind is one `asyncio.Protocol` and a few hundred bytes: the `websockets` package would cost
more than the server that is measured.
"""

import asyncio
import json
import resource
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
HEARTBEAT = b"\n"
REFRESH_EVERY = 4  # of our heartbeats: the SDK registers again every 30 s
GATE = 64  # connections that are opened at the same time
SECONDS = 120.0


def raise_limit(wanted: int) -> int:
    """Raises this process's limit of open files as far as it goes; how many sockets fit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    soft = hard if hard != resource.RLIM_INFINITY else max(wanted + 1000, 65_536)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return min(wanted, soft - 500)


def frame(opcode: int, payload: bytes) -> bytes:
    """A client's frame. Its mask is zero, so that nothing needs masking."""
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    return bytes([0x80 | opcode]) + length + b"\0\0\0\0" + payload


def message(type: str, **payload: Any) -> bytes:
    return frame(TEXT, json.dumps({"type": type, "payload": payload}).encode())


class Device(asyncio.Protocol):
    """A client app: it registers, answers heartbeats and registers again in time. Once it is registered it sends
    `after`, and it is ready when it gets something with `first` in it."""

    def __init__(
        self,
        port: int,
        token: str,
        heard: Callable[[bytes], None] | None = None,
        *,
        after: bytes = b"",
        first: bytes = b'{"type":"ready"',
    ) -> None:
        self._port, self._token, self._heard, self._after, self._first = port, token, heard, after, first
        self._transport: asyncio.Transport | None = None
        self._buffer, self._upgraded, self._beats = b"", False, 0
        self._expected: tuple[bytes, Callable[[], None]] | None = None
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(
            b"GET /signal HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n" % self._port
        )

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._upgraded:
            head, end, rest = self._buffer.partition(b"\r\n\r\n")
            if not end:
                return
            if not head.startswith(b"HTTP/1.1 101"):
                self._fail(head.partition(b"\r\n")[0].decode())
                return
            self._upgraded, self._buffer = True, rest
            self.send(
                message("listen", token=self._token)
                + message("register", media={"audio": True})
                + self._after
            )
        while (taken := self._frame()) is not None:
            self._take(*taken)

    def connection_lost(self, error: Exception | None) -> None:
        self._fail(f"the server closed the connection: {error}")

    def expect(self, marker: bytes, arrived: Callable[[], None]) -> None:
        self._expected = (marker, arrived)

    def send(self, data: bytes) -> None:
        assert self._transport is not None
        self._transport.write(data)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _frame(self) -> tuple[int, bytes] | None:
        if len(self._buffer) < 2:
            return None
        size, start = self._buffer[1] & 0x7F, 2
        if size == 126:
            size, start = int.from_bytes(self._buffer[2:4], "big"), 4
        elif size == 127:
            size, start = int.from_bytes(self._buffer[2:10], "big"), 10
        if len(self._buffer) < start + size:
            return None
        opcode, payload = self._buffer[0] & 0x0F, self._buffer[start : start + size]
        self._buffer = self._buffer[start + size :]
        return opcode, payload

    def _take(self, opcode: int, payload: bytes) -> None:
        if opcode == PING:
            self.send(frame(PONG, payload))
        elif payload == HEARTBEAT:
            self._beats += 1
            self.send(frame(TEXT, HEARTBEAT))
            if self._beats % REFRESH_EVERY == 0:
                self.send(message("register", media={"audio": True}))
        elif opcode == TEXT:
            if payload.startswith((b'{"type":"error"', b'{"type":"offline"')):
                self._fail(payload.decode())
            elif self._first in payload and not self.ready.done():
                self.ready.set_result(None)
            elif self._expected and self._expected[0] in payload:
                arrived, self._expected = self._expected[1], None
                arrived()
            if self._heard is not None:
                self._heard(payload)

    def _fail(self, why: str) -> None:
        if not self.ready.done():
            self.ready.set_exception(ConnectionError(why))


class Stream(asyncio.Protocol):
    """Whatever sends bytes after a request, `first` among the first: an event stream, or a bare connection."""

    def __init__(self, request: bytes, first: bytes) -> None:
        self._request, self._first, self._tail = request, first, b""
        self._expected: tuple[bytes, Callable[[], None]] | None = None
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._request)

    def expect(self, marker: bytes, arrived: Callable[[], None]) -> None:
        self._expected = (marker, arrived)

    def data_received(self, data: bytes) -> None:
        self._tail = (self._tail + data)[-4096:]
        if not self.ready.done():
            if self._first in self._tail:
                self.ready.set_result(None)
            elif b"HTTP/1.1 4" in self._tail:
                self.ready.set_exception(ConnectionError(self._tail.decode("latin-1")))
        elif self._expected and self._expected[0] in self._tail:
            arrived, self._expected = self._expected[1], None
            arrived()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ready.done():
            self.ready.set_exception(ConnectionError(str(error)))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()


async def opened(port: int, made: Iterable[Callable[[], Any]]) -> list[Any]:
    """Connects all of them, GATE at a time, and waits until each is ready."""
    loop, gate = asyncio.get_running_loop(), asyncio.Semaphore(GATE)

    async def one(make: Callable[[], Any]) -> Any:
        async with gate:
            _, protocol = await loop.create_connection(make, "127.0.0.1", port)
            async with asyncio.timeout(SECONDS):
                await protocol.ready
            return protocol

    return await asyncio.gather(*map(one, made))


class Arrivals:
    """Counts who has got something, and when the last of them had it."""

    def __init__(self, count: int) -> None:
        self._missing = count
        self.done: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    def one(self) -> None:
        self._missing -= 1
        if not self._missing and not self.done.done():
            self.done.set_result(time.perf_counter())

    async def after(self, cause: Callable[[], Awaitable[object]]) -> float:
        """Seconds from the start of the cause until the last one has it."""
        began = time.perf_counter()
        caused = asyncio.ensure_future(cause())
        async with asyncio.timeout(SECONDS):
            last = await self.done
        await caused
        return last - began


def quantile(times: Sequence[float], share: float) -> float:
    return sorted(times)[min(len(times) - 1, int(len(times) * share))]

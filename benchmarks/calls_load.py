"""The load of `calls.py`: a carrier, a customer's app and clients on one asyncio loop, as bare as they can be.

Each of many slots has a client of its own. A call takes a free slot, and the caller's number carries the slot's
number through the router to the app, whose document dials that slot's client.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from websockets.asyncio.client import ClientConnection, connect

from foundation.outbound.signature import sign_body

CARRIER = "bench"
SECRET = "the secret of the benchmark's carrier"
PATIENCE = 20.0
"""Seconds for one whole call; one that takes longer has failed."""
CALLBACKS = ("initiated", "ringing", "in-progress", "completed")
EVENTS = "initiated ringing answered completed"
PHONE_SDP = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio 9 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=ptime:20\r\na=sendrecv\r\n"
)
CLIENT_SDP = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n"
    "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=rtcp-mux\r\na=rtpmap:0 PCMU/8000\r\n"
    "a=ice-ufrag:benc\r\na=ice-pwd:benchmarkbenchmarkbenchm\r\na=setup:active\r\na=sendrecv\r\n"
    f"a=fingerprint:sha-256 {':'.join(['AB'] * 32)}\r\n"
)
_CALL_STATUS = re.compile(rb"(?:^|&)CallStatus=([a-z-]+)")
_FROM = re.compile(rb"(?:^|&)From=%2B1415777(\d{4})")


@dataclass(eq=False)
class Slot:
    """One client and the call that it has now."""

    number: int
    socket: ClientConnection | None = None
    began: float = 0.0
    rang: float = 0.0
    callbacks: list[str] = field(default_factory=list)
    up: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    waiting_for: set[str] = field(default_factory=set)

    def begin(self) -> None:
        self.began, self.rang = time.perf_counter(), 0.0
        self.callbacks.clear()
        self.up.clear()
        self.over.clear()
        self.waiting_for = {"answer", "in-progress", "hangup", "completed"}

    def take(self, news: str) -> None:
        self.waiting_for.discard(news)
        if not self.waiting_for & {"answer", "in-progress"}:
            self.up.set()
        if not self.waiting_for:
            self.over.set()


@dataclass(frozen=True, kw_only=True)
class Finished:
    """One whole call; seconds from the carrier's POST to the client's ring, to the answered call, to its end."""

    at: float
    ring: float
    up: float
    total: float


class Load:
    """Places calls and plays everybody but us. `start` it, connect its clients, then `saturate` or `offer`."""

    def __init__(self, router: tuple[str, int]) -> None:
        self._router, self.number = router, ""
        self._connections: deque[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = deque()
        self._free: deque[Slot] = deque()
        self.slots: list[Slot] = []
        self._calls = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.url = ""
        self.finished: list[Finished] = []
        self.faults: list[str] = []

    async def start(self) -> None:
        self._server = await asyncio.get_running_loop().create_server(
            lambda: Http(self._answer), "127.0.0.1", 0
        )
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        for slot in self.slots:
            if slot.socket:
                await slot.socket.close()
        self._drop_connections()
        if self._server:
            self._server.close()

    # -- clients

    async def connect(self, url: str, tls: ssl.SSLContext, tokens: Sequence[str]) -> None:
        """Registers one client per token."""
        for number, token in enumerate(tokens):
            slot = Slot(number)
            socket = await connect(url, ssl=tls, compression=None, ping_interval=None, proxy=None)
            await socket.send(_frame("listen", token=token))
            await socket.send(_frame("register", media={"audio": True}))
            async with asyncio.timeout(PATIENCE):
                while b'"ready"' not in await socket.recv(decode=False):
                    pass
            slot.socket = socket
            self.slots.append(slot)
            self._free.append(slot)
            task = asyncio.create_task(self._listen(slot, socket))
            self._tasks.add(task)

    async def _listen(self, slot: Slot, socket: ClientConnection) -> None:
        async for text in socket:
            if text == "\n":
                await socket.send("\n")
                continue
            frame = json.loads(text)
            if frame["type"] == "invite":
                slot.rang = slot.rang or time.perf_counter()
                await socket.send(_frame("answer", callsid=frame["payload"]["callsid"], sdp=CLIENT_SDP))
            elif frame["type"] == "hangup":
                slot.take("hangup")
            else:
                self.faults.append(f"a client got {text[:200]!r}")

    # -- the carrier's and the app's servers

    def _answer(self, path: bytes, body: bytes) -> tuple[bytes, bytes]:
        """The status and body of the answer to what the router posts."""
        if path == b"/voice":
            found = _FROM.search(body)
            return b"200 OK", self._document(int(found[1]) if found else 0)
        _, kind, slot, *_ = path.split(b"/")
        if kind == b"status":
            status = _CALL_STATUS.search(body)
            self._status(self.slots[int(slot)], status[1].decode() if status else "")
        else:  # /carrier/calls/{slot}-{n}/commands
            call = path.split(b"/")[3]
            if b'"type": "answer"' in body or b'"type":"answer"' in body:
                self.slots[int(call.partition(b"-")[0])].take("answer")
        return b"204 No Content", b""

    def _status(self, slot: Slot, status: str) -> None:
        slot.callbacks.append(status)
        slot.take(status)

    def _document(self, slot: int) -> bytes:
        return (
            '<?xml version="1.0" encoding="UTF-8"?><Response><Dial timeout="20">'
            f'<Client statusCallback="{self.url}/status/{slot}" statusCallbackEvent="{EVENTS}">c{slot}</Client>'
            "</Dial></Response>"
        ).encode()

    # -- calls

    async def saturate(self, concurrency: int, seconds: float) -> None:
        """So many callers, each of which calls again as soon as its call is over."""
        ends = time.perf_counter() + seconds

        async def caller() -> None:
            while time.perf_counter() < ends:
                await self._call()

        await asyncio.gather(*(caller() for _ in range(concurrency)))

    async def offer(self, rate: float, seconds: float) -> None:
        """So many calls a second, whether earlier ones are over or not."""
        began = time.perf_counter()
        calls = []
        for number in range(int(rate * seconds)):
            await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
            calls.append(asyncio.create_task(self._call()))
        await asyncio.gather(*calls)

    async def _call(self) -> None:
        if not self._free:
            self.faults.append("all clients are busy: the offered rate is too high")
            return
        slot = self._free.popleft()
        slot.begin()
        self._calls += 1
        call_id = f"{slot.number}-{self._calls}"
        try:
            async with asyncio.timeout(PATIENCE):
                await self._post(
                    f"/carriers/{CARRIER}/calls",
                    {
                        "id": call_id,
                        "from": f"+1415777{slot.number:04}",
                        "to": self.number,
                        "media": {"sdp": PHONE_SDP},
                    },
                )
                await slot.up.wait()
                up = time.perf_counter()
                hangup = {"event_id": "1", "type": "hangup", "cause": "normal"}
                await self._post(f"/carriers/{CARRIER}/calls/{call_id}/events", hangup)
                await slot.over.wait()
        except (TimeoutError, OSError, ValueError) as error:
            self.faults.append(f"{type(error).__name__} {error} (missing: {sorted(slot.waiting_for)})")
            await asyncio.sleep(1)
        else:
            if tuple(slot.callbacks) != CALLBACKS:
                self.faults.append(f"callbacks {slot.callbacks}")
            now = time.perf_counter()
            self.finished.append(
                Finished(at=now, ring=slot.rang - slot.began, up=up - slot.began, total=now - slot.began)
            )
        self._free.append(slot)

    async def _post(self, path: str, fields: Mapping[str, object]) -> None:
        body, now = json.dumps(fields).encode(), int(time.time())
        if not self._connections:
            self._connections.append(await asyncio.open_connection(*self._router))
        reader, writer = self._connections.popleft()
        writer.write(
            f"POST {path} HTTP/1.1\r\nHost: router\r\nContent-Type: application/json\r\n"
            f"X-Callrouter-Timestamp: {now}\r\nX-Callrouter-Signature: {sign_body(SECRET, now, body)}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        head = await reader.readuntil(b"\r\n\r\n")
        answer = await reader.readexactly(content_length(head))
        self._connections.append((reader, writer))
        if not head.startswith(b"HTTP/1.1 20"):
            raise ValueError(f"{head[:20]!r} {answer[:200]!r}")

    def _drop_connections(self) -> None:
        while self._connections:
            self._connections.pop()[1].close()

    def another_router(self, router: tuple[str, int]) -> None:
        """The next calls go there."""
        self._drop_connections()
        self._router = router
        self.finished.clear()


class Http(asyncio.Protocol):
    """HTTP/1.1 as far as our own outbound clients speak it: kept alive, Content-Length, no pipelining."""

    def __init__(self, answer: Callable[[bytes, bytes], tuple[bytes, bytes]]) -> None:
        self._answer = answer
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        end = self._data.find(b"\r\n\r\n") + 4
        if end < 4 or len(self._data) < end + (length := content_length(self._data[:end])):
            return
        body = self._data[end : end + length]
        status, answer = self._answer(self._data.split(b" ", 2)[1], body)
        self._data = b""
        self._transport.write(
            b"HTTP/1.1 %s\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n%s"
            % (status, len(answer), answer)
        )


def content_length(head: bytes) -> int:
    found = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    return int(found[1]) if found else 0


def _frame(type: str, **payload: object) -> str:
    return json.dumps({"type": type, "payload": payload, "version": "1.6"})

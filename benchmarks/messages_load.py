"""The load of `messages.py`: apps and carriers on one asyncio loop, as bare as they can be."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections import Counter, deque
from dataclasses import dataclass
from urllib.parse import urlencode

from benchmarks.calls_load import Http, content_length
from foundation.outbound.signature import sign_body

SECRET = "the secret of the benchmark's carriers"
PATIENCE = 30.0
"""Seconds for one whole message; one that takes longer has failed."""
FIRST_PHONE = 14152000000


@dataclass(frozen=True, kw_only=True)
class Finished:
    """One whole message; seconds from the app's POST to its answer, to the carrier, to the report that is stored."""

    answered: float
    handed: float
    reported: float


class Load:
    """Apps that send, and carriers that take and report, at `url`/NAME. `open`: whether carriers take anything now."""

    def __init__(self, router: tuple[str, int]) -> None:
        self._router = router
        self._connections: deque[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = deque()
        self._whole: dict[str, asyncio.Future[float]] = {}
        self._handed: dict[str, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._messages = 0
        self.account, self.token, self.number, self.url = "", "", "", ""
        self.open = self.reports = False
        self.taken: Counter[str] = Counter()
        """by carrier"""
        self.faults: list[str] = []

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Http(self._answer), "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        while self._connections:
            self._connections.pop()[1].close()
        if self._server:
            self._server.close()

    def phone(self) -> str:
        """Another one each time, so that no message waits for one before it."""
        self._messages += 1
        return f"+{FIRST_PHONE + self._messages}"

    # -- apps

    async def create(self) -> str:
        """One message by REST: its SID."""
        form = urlencode(
            {"From": self.number, "To": self.phone(), "Body": f"The news, part {self._messages}"}
        )
        login = base64.b64encode(f"{self.account}:{self.token}".encode()).decode()
        head = f"Authorization: Basic {login}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        answer = await self._post(f"/2010-04-01/Accounts/{self.account}/Messages.json", head, form.encode())
        return str(json.loads(answer)["sid"])

    async def whole(self) -> Finished:
        """One message, until its report is stored."""
        began = time.perf_counter()
        sid = await self.create()
        answered = time.perf_counter()
        if sid not in self._whole:
            self._whole[sid] = asyncio.get_running_loop().create_future()
        async with asyncio.timeout(PATIENCE):
            reported = await self._whole[sid]
        del self._whole[sid]
        return Finished(
            answered=answered - began, handed=self._handed.pop(sid) - began, reported=reported - began
        )

    # -- carriers

    async def has(self, total: int) -> None:
        """Carriers took so many."""
        while self.taken.total() < total:
            await asyncio.sleep(0.01)

    def _answer(self, path: bytes, body: bytes) -> tuple[bytes, bytes]:
        if not self.open:
            return b"429 Not Now", b"{}"
        carrier, sid = path.split(b"/")[1].decode(), json.loads(body)["id"]
        self.taken[carrier] += 1
        if self.reports:
            self._handed[sid] = time.perf_counter()
            task = asyncio.create_task(self._report(carrier, sid))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return b"202 Accepted", b"{}"

    async def _report(self, carrier: str, sid: str) -> None:
        body, now = json.dumps({"event_id": sid, "status": "delivered"}).encode(), int(time.time())
        head = (
            f"Content-Type: application/json\r\nX-Callrouter-Timestamp: {now}\r\n"
            f"X-Callrouter-Signature: {sign_body(SECRET, now, body)}\r\n"
        )
        try:
            await self._post(f"/carriers/{carrier}/messages/{sid}/events", head, body)
        except (OSError, ValueError) as error:
            self.faults.append(f"report of {sid}: {error}")
        future = self._whole.setdefault(sid, asyncio.get_running_loop().create_future())
        future.set_result(time.perf_counter())

    # -- both

    async def _post(self, path: str, head: str, body: bytes) -> bytes:
        if not self._connections:
            self._connections.append(await asyncio.open_connection(*self._router))
        reader, writer = self._connections.popleft()
        writer.write(
            f"POST {path} HTTP/1.1\r\nHost: router\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        async with asyncio.timeout(PATIENCE):
            said = await reader.readuntil(b"\r\n\r\n")
            answer = await reader.readexactly(content_length(said))
        self._connections.append((reader, writer))
        if not said.startswith(b"HTTP/1.1 20"):
            raise ValueError(f"{said[:20]!r} {answer[:200]!r}")
        return answer

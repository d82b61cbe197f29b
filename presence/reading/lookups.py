"""The router's look-ups, past Flask: it makes one or more for every call, and Flask would cost most of their time.

Those that wait at the same moment become one statement. Only the plain case is served here, with the bytes that the
views would answer; every other request, and every fault, is Flask's (`api.views`).
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from urllib.parse import unquote

import structlog

from foundation.db import Database
from foundation.keys import SKEW, Keys, TokenRefused
from foundation.webserver.bridge import Receive, Scope, Send
from foundation.webserver.service import LIFE, TRUST_SECONDS
from presence.api import answers
from presence.identity import is_client_name
from presence.reading.reach import Reached, Wanted, reach
from presence.reading.rendering import presence_text, reach_text

log = structlog.get_logger(__name__)

Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

PATH = re.compile(rb"/v1/Accounts/(AC[0-9a-f]{32})/(Presence|Reach)/([^/]+)\Z")
OTHERWISE = {b"if-none-match", b"transfer-encoding"}
TOGETHER = 200
"""Look-ups that one statement serves at most."""
WAITING = 1000
"""Look-ups that may wait; more go the way of all requests, which has its own limit and answer."""
SECONDS = 10.0


class Lookups:
    """An ASGI app in front of the one that serves everything else."""

    def __init__(self, database: Database, keys: Keys, now: Callable[[], float], otherwise: Asgi) -> None:
        self._database, self._now, self._otherwise = database, now, otherwise
        self._waiting: list[tuple[Wanted, asyncio.Future[tuple[Reached, float]]]] = []
        self._reading: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="lookups")

        @lru_cache(16)
        def trusted(authorization: bytes, _trust: int) -> bool:
            scheme, _, token = authorization.decode("latin-1").partition(" ")
            keys.verify("service.presence", token if scheme == "Bearer" else "", LIFE + SKEW)
            return True

        self._trusted = trusted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        wanted = self._wanted(scope)
        answer = await self._answer(wanted) if wanted else None
        if answer is None:
            await self._otherwise(scope, receive, send)
            return
        body, headers = answer
        raw = [(name.lower().encode(), value.encode()) for name, value in headers]
        await send({"type": "http.response.start", "status": 200, "headers": raw})
        await send({"type": "http.response.body", "body": body})

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _wanted(self, scope: Scope) -> Wanted | None:
        """What one of our own servers asks in the plain way."""
        found = PATH.match(scope.get("raw_path") or b"")
        if found is None or scope["method"] != "GET" or scope["query_string"]:
            return None
        headers = dict(scope["headers"])
        if len(headers) < len(scope["headers"]) or headers.keys() & OTHERWISE:
            return None
        name = unquote(found[3].decode("latin-1"))
        if not is_client_name(name):
            return None
        try:
            self._trusted(headers.get(b"authorization", b""), int(time.monotonic() / TRUST_SECONDS))
        except TokenRefused:
            return None
        return Wanted(found[1].decode(), name, found[2] == b"Reach")

    async def _answer(self, wanted: Wanted) -> tuple[bytes, answers.Headers] | None:
        if len(self._waiting) >= WAITING:
            return None
        loop = asyncio.get_running_loop()
        future: asyncio.Future[tuple[Reached, float]] = loop.create_future()
        self._waiting.append((wanted, future))
        if self._reading is None:
            self._reading = loop.create_task(self._read_all())
        try:
            async with asyncio.timeout(SECONDS):
                found, now = await future
        except Exception as error:
            log.warning("a look-up failed and is asked again the long way", error=str(error))
            return None
        if wanted.resolve:
            return answers.many(reach_text(wanted.name, found, now))
        (target,) = found.targets
        return answers.one(presence_text(*target, now), target.client, now)

    async def _read_all(self) -> None:
        """Reads until nobody waits; those who come meanwhile are served together next."""
        loop = asyncio.get_running_loop()
        while self._waiting:
            batch, self._waiting = self._waiting[:TOGETHER], self._waiting[TOGETHER:]
            try:
                found, now = await loop.run_in_executor(self._thread, self._read, [one for one, _ in batch])
            except Exception as error:
                found, now = [error] * len(batch), 0.0
            for (_, future), one in zip(batch, found, strict=True):
                if future.done():
                    continue  # it waited for too long
                if isinstance(one, Exception):
                    future.set_exception(one)
                else:
                    future.set_result((one, now))
        self._reading = None

    def _read(self, wanted: list[Wanted]) -> tuple[Sequence[Reached | Exception], float]:
        now = self._now()
        with self._database.read() as connection:
            return reach(connection, wanted, now), now

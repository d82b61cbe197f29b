"""How the presence server tells the router what clients do: `POST /v1/client-events` (docs/protocols/presence.md).

An event is sent until it is answered 2xx or 4xx, for a bounded time; `event_id` makes repeats harmless.
"""

import asyncio
import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import requests
import structlog
from requests.adapters import HTTPAdapter

from foundation.keys import Keys
from foundation.webserver.service import ServiceToken

log = structlog.get_logger(__name__)

TOTAL = 5.0
"""Seconds for an event, all tries together."""
TOTALS = {"call": 20.0, "accepted": 20.0}
"""Of those that wait longer, as carriers do: somebody has placed or taken a call, and a router that is started again
takes it up."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0
THREADS = 16
WAITING = 500
ANSWER_LIMIT = 256 * 1024

Event = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class RouterAnswer:
    """The router's definite answer."""

    status: int
    body: dict[str, Any]

    @property
    def ok(self) -> bool:
        return self.status < 300

    @property
    def unsure(self) -> bool:
        """Whether it is no word about the call, but a stand-in for a router that could not be reached."""
        return self.status >= 500

    @property
    def message(self) -> str:
        return str(self.body.get("message") or "refused")

    def code(self, default: int) -> int:
        """The code for the client, if the router named one."""
        code = self.body.get("code")
        return code if type(code) is int else default


class RouterUnreachable(Exception):
    """The router gave no definite answer in time; whether it has the event is not known."""


class RouterLink(Protocol):
    """Delivers one event; answers with the router's definite word or raises RouterUnreachable."""

    async def deliver(self, event: Event) -> RouterAnswer: ...


class HttpRouterLink:
    """The router over HTTP, by a few threads with kept-alive connections."""

    def __init__(self, router_url: str, keys: Keys, issuer: str = "presence") -> None:
        self._url = f"{router_url}/v1/client-events"
        self._token = ServiceToken(keys, "router", issuer)
        self._session = requests.Session()
        self._session.trust_env = False
        adapter = HTTPAdapter(pool_maxsize=THREADS)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="router-link")
        self._waiting = 0

    async def deliver(self, event: Event) -> RouterAnswer:
        if self._waiting >= WAITING:
            raise RouterUnreachable("too many events wait for the router")
        self._waiting += 1
        try:
            total = TOTALS.get(str(event.get("type")), TOTAL)
            return await self._until_definite(event, time.monotonic() + total)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._session.close()

    async def _until_definite(self, event: Event, deadline: float) -> RouterAnswer:
        fault, pause = "", FIRST_PAUSE
        while (left := deadline - time.monotonic()) > 0.05:
            try:
                async with asyncio.timeout(left):
                    answer = await asyncio.get_running_loop().run_in_executor(
                        self._threads, self._post, event, left
                    )
            except (requests.RequestException, ValueError, TimeoutError) as error:
                fault = f"{type(error).__name__}: {error}"
            else:
                if answer.status < 500 and answer.status not in (408, 429):
                    return answer
                fault = f"status {answer.status}"
            await asyncio.sleep(min(pause, max(0.0, deadline - time.monotonic())))
            pause = min(LONGEST_PAUSE, 3 * pause)
        log.warning("router unreachable", event_type=event.get("type"), fault=fault)
        raise RouterUnreachable(fault)

    def _post(self, event: Event, timeout: float) -> RouterAnswer:
        with self._session.post(
            self._url,
            json=event,
            headers=self._token.header,
            timeout=timeout,
            allow_redirects=False,
            stream=True,
        ) as response:
            raw = response.raw.read(ANSWER_LIMIT + 1, decode_content=True)
            if 300 <= response.status_code < 400 or len(raw) > ANSWER_LIMIT:
                raise ValueError(f"an answer of status {response.status_code} that is no answer of ours")
            body = json.loads(raw) if raw.strip() else {}
            return RouterAnswer(status=response.status_code, body=body if isinstance(body, dict) else {})

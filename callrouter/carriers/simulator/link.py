"""Signed HTTP from the simulated carrier to the router, with the protocol's rule for retries."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import requests

from callrouter.carriers.simulator.script import Faults
from foundation.outbound.signature import sign_body

ATTEMPTS, ATTEMPTS_OF_EVENTS = 7, 10
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
"""Seconds; doubled after each attempt, so that a call is tried for six seconds, and what happens in one for twenty: a
router that is started again still wants to know."""
TIMEOUT = (2.0, 10.0)
THREADS = 8


class RouterUnreachable(Exception):
    """The router gave no usable answer to any attempt: check that it runs and that its URL is right."""


class CallRefused(Exception):
    """The router refused a call, a message or an event: `status` and `code` are its own, the text says why."""

    def __init__(self, status: int, code: int | None, message: str) -> None:
        super().__init__(f"{status} {message}" + (f" (code {code})" if code else ""))
        self.status, self.code, self.message = status, code, message


@dataclass(frozen=True, kw_only=True)
class Sent:
    """One request as it went over the wire, and the router's answer."""

    path: str
    body: bytes
    headers: Mapping[str, str]
    status: int
    answer: Mapping[str, Any]


class RouterLink:
    """Requests run on a few threads, each bounded by TIMEOUT; the latest 200 are kept in `sent`."""

    def __init__(self, base_url: str, secret: str) -> None:
        self._base = base_url.rstrip("/")
        self._secret = secret
        self._http = requests.Session()
        self._http.trust_env = False
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="simulator")
        self.sent: deque[Sent] = deque(maxlen=200)

    async def post(
        self, path: str, fields: Mapping[str, Any], faults: Faults | None = None, attempts: int = ATTEMPTS
    ) -> Sent:
        """Posts until it is answered 2xx or 4xx. CallRefused for 4xx, RouterUnreachable if nothing helps."""
        body = json.dumps(fields, separators=(",", ":")).encode()
        pause, why = FIRST_PAUSE, ""
        for attempt in range(attempts):
            if attempt:
                await asyncio.sleep(pause)
                pause = min(LONGEST_PAUSE, 2 * pause)
            try:
                sent = await self.post_raw(path, body, self._headers(body, faults or Faults()))
            except requests.RequestException as error:
                why = type(error).__name__
                continue
            if 200 <= sent.status < 300:
                return sent
            if 400 <= sent.status < 500:
                text = str(sent.answer.get("message", "refused without a reason"))
                raise CallRefused(sent.status, _code(sent.answer), text)
            why = f"answered {sent.status}"
            pause = max(pause, _retry_after(sent.answer))
        raise RouterUnreachable(
            f"the router does not answer at {self._base} ({why}, {attempts} attempts at {path}); does it run?"
        )

    async def post_raw(self, path: str, body: bytes, headers: Mapping[str, str]) -> Sent:
        """One request, exactly these bytes. requests.RequestException when there is no answer."""
        loop = asyncio.get_running_loop()
        sent = await loop.run_in_executor(self._threads, self._send, path, body, headers)
        self.sent.append(sent)
        return sent

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._http.close()

    def _headers(self, body: bytes, faults: Faults) -> dict[str, str]:
        headers = {"Content-Type": "application/json"}
        if not faults.unsigned:
            timestamp = int(time.time()) + faults.clock_offset
            headers["X-Callrouter-Timestamp"] = str(timestamp)
            headers["X-Callrouter-Signature"] = sign_body(self._secret, timestamp, body)
        return headers

    def _send(self, path: str, body: bytes, headers: Mapping[str, str]) -> Sent:
        url = self._base + path
        response = self._http.post(
            url, data=body, headers=dict(headers), timeout=TIMEOUT, allow_redirects=False
        )
        try:
            answer = response.json()
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            answer = {"message": response.text[:200]}
        if "Retry-After" in response.headers:
            answer["retry_after"] = response.headers["Retry-After"]
        return Sent(path=path, body=body, headers=headers, status=response.status_code, answer=answer)


def _code(answer: Mapping[str, Any]) -> int | None:
    code = answer.get("code")
    return code if isinstance(code, int) else None


def _retry_after(answer: Mapping[str, Any]) -> float:
    text = str(answer.get("retry_after", ""))
    return min(float(text), LONGEST_PAUSE) if text.isascii() and text.isdigit() else 0.0

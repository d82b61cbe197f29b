"""The customer's side of the outbox: documents are fetched, status callbacks delivered, all of it recorded."""

import asyncio
import random
import time
import uuid
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, select

from callrouter.calls import happenings as h
from callrouter.calls.dispatch import Done, Later
from callrouter.calls.executors import endings
from callrouter.calls.store import INSERT_DELIVERY, INSERT_WARNING, OutboxRow
from callrouter.metrics import calls as metrics
from callrouter.models import Account
from callrouter.playground import server as playground
from callrouter.queues import standing
from foundation.db import Database, later
from foundation.keys import Keys
from foundation.memory import Memory
from foundation.outbound.errors import OutboundError
from foundation.outbound.message import (
    CALLBACK_MAX_BYTES,
    TWIML_MAX_BYTES,
    Attempt,
    OutboundRequest,
    OutboundResponse,
)
from foundation.outbound.pool import FetchPool
from foundation.sids import NOTIFICATION, new_sid

RETRIES = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Seconds between tries of a status callback, as Standard Webhooks has them: 75 hours in all (R5)."""
KEPT_BODY, KEPT_HEADER, KEPT_HEADERS = 64_000, 1_000, 50
OWN_URLS = {"RecordingUrl", "TranscriptionUrl"}
TOKEN_SECONDS = 5.0
TOLD = {"status-callback", "partial-result"}
NAMESPACE = uuid.UUID("9c3a1e5c-53cf-4d5f-8ce2-6a17f2a5d0e1")


class Webhooks:
    """Executors of `fetch`, `callback` and `partial`."""

    def __init__(
        self,
        database: Database,
        keys: Keys,
        pool: FetchPool,
        now: Callable[[], float],
        base_url: str,
        callbacks: FetchPool | None = None,
    ) -> None:
        """`base_url` is what our own addresses in parameters begin with.

        `callbacks` delivers what no call waits for, so that callbacks that hang hold up no document.
        """
        self._callbacks = callbacks or pool
        self._base_url = base_url
        self._database = database
        self._keys = keys
        self._pool = pool
        self._now = now
        self._tokens = Memory(self._read_token, TOKEN_SECONDS)

    async def fetch(self, row: OutboxRow) -> Done:
        """Asks the app what to do; any failure becomes a code that the document's fallback is tried for."""
        row = await self._standing(await self._whole(row))
        wanted = row["payload"]
        asked = {"program": wanted["program"], "fetch": wanted["fetch"]}
        response, record = await self.ask(row, "document")
        if isinstance(response, OutboundError):
            missing = h.DocumentMissing(
                at=self._now(), url=wanted["url"], code=response.code, reason=response.reason, **asked
            )
            return Done(missing, record)
        if not response.ok:
            reason = f"the app answered {response.status}"
            return Done(
                h.DocumentMissing(at=self._now(), url=response.url, code=11200, reason=reason, **asked),
                record,
            )
        arrived = h.DocumentArrived(
            at=self._now(),
            url=response.url,
            body=response.body,
            content_type=response.header("Content-Type") or None,
            cookies=tuple(dict(cookie) for cookie in response.cookies),  # type: ignore[arg-type]
            **asked,
        )
        return Done(arrived, record)

    async def call_back(self, row: OutboxRow) -> Done:
        """Delivers a status callback, at least once, for up to 75 hours; a 4xx is the app's final word."""
        row = await self._whole(row)
        response, record, reason = await self._tell(row, "status-callback")
        if not reason:
            return Done(also=record)
        if response is not None and response.status < 500 and response.status != 429:
            return Done(also=_both(record, self._warn(row, reason)))
        warning = self._warn(row, reason) if row["attempts"] == 0 else None
        if row["attempts"] >= len(RETRIES):
            return Done(also=_both(record, warning))
        delay = RETRIES[row["attempts"]] * random.uniform(0.9, 1.1)  # noqa: S311 - jitter, not a secret
        raise Later(delay, aside=True, also=_both(record, warning))

    async def tell_once(self, row: OutboxRow) -> Done:
        """Tells the app of something that is old in a moment: nobody waits for its answer, and once is enough."""
        _, record, reason = await self._tell(row, "partial-result")
        return Done(also=_both(record, self._warn(row, reason) if reason else None))

    async def ask(
        self, row: OutboxRow, kind: str, *, max_bytes: int = TWIML_MAX_BYTES
    ) -> tuple[OutboundResponse | OutboundError, Callable[[Connection], None]]:
        """What the app answered to the entry's request, with its record, which belongs into a transaction."""
        began = time.monotonic()
        try:
            pool = self._callbacks if kind in TOLD else self._pool
            response = await self._request(row, pool, max_bytes, tuple(row["payload"].get("cookies", ())))
        except OutboundError as error:
            metrics.asked(kind, error, time.monotonic() - began)
            return error, self._record(row, kind, began, error=error)
        metrics.asked(kind, response, time.monotonic() - began)
        return response, self._record(row, kind, began, response=response)

    async def _tell(
        self, row: OutboxRow, kind: str
    ) -> tuple[OutboundResponse | None, Callable[[Connection], None], str]:
        """The answer, its record, and why it will not do."""
        response, record = await self.ask(row, kind, max_bytes=CALLBACK_MAX_BYTES)
        if isinstance(response, OutboundError):
            return None, record, str(response.reason)
        return response, record, "" if response.ok else f"it answered {response.status}"

    async def _whole(self, row: OutboxRow) -> OutboxRow:
        """The entry with whole URLs: calls do not know where REST is reached. And with how long a recording became."""
        payload = row["payload"]
        ours = OWN_URLS & payload["parameters"].keys()
        if not ours:
            return row
        parameters = dict(payload["parameters"])
        for name in ours:
            if parameters[name].startswith("/"):
                parameters[name] = self._base_url + parameters[name]
        if sid := payload.get("recording"):
            seconds = await endings.duration(self._database, row["account_sid"], sid)
            if seconds is not None:
                parameters["RecordingDuration"] = str(seconds)
        return {**row, "payload": {**payload, "parameters": parameters}}

    async def _standing(self, row: OutboxRow) -> OutboxRow:
        """The entry with how its queue stands by now, when a caller who waits in one asks."""
        payload = row["payload"]
        if "queue" not in payload:
            return row

        def read() -> dict[str, str]:
            with self._database.read() as connection:
                return standing.parameters(connection, row["account_sid"], payload["queue"], self._now())

        parameters = {**payload["parameters"], **await asyncio.to_thread(read)}
        return {**row, "payload": {**payload, "parameters": parameters}}

    async def _request(
        self, row: OutboxRow, pool: FetchPool, max_bytes: int, cookies: Any
    ) -> OutboundResponse:
        wanted = row["payload"]
        request = OutboundRequest(
            url=wanted["url"],
            method=wanted["method"],
            params=tuple(wanted["parameters"].items()),
            auth_token=await self.token(row["account_sid"]),
            cookies=cookies,
            idempotency_token=str(uuid.uuid5(NAMESPACE, row["id"])),
            max_bytes=max_bytes,
            glance_at="audio/",  # the sound itself is fetched by its URL when it is played
        )
        if playground.serves(request.url):
            return await asyncio.to_thread(playground.respond, self._database, row["account_sid"], request)
        return await pool.fetch(row["account_sid"], request)

    async def token(self, account_sid: str) -> str:
        """The account's auth token, which signs what we send to its apps."""
        token = self._tokens.known(account_sid) or await asyncio.to_thread(self._tokens, account_sid)
        assert token is not None
        return token

    def _read_token(self, account_sid: str) -> str:
        with self._database.read() as connection:
            sealed = select(Account.auth_token_sealed).where(Account.account_sid == account_sid)
            return self._keys.open(connection.execute(sealed).scalar_one())

    def _record(
        self,
        row: OutboxRow,
        kind: str,
        began: float,
        *,
        response: OutboundResponse | None = None,
        error: OutboundError | None = None,
    ) -> Callable[[Connection], None]:
        wanted = row["payload"]
        outcome = response or error
        attempts = outcome.attempts if outcome else ()
        delivery = {
            "account_sid": row["account_sid"],
            "id": f"{row['id']}.{row['attempts']}",
            "call_sid": wanted["parameters"].get("CallSid", row["call_sid"]),
            "kind": kind,
            "at": self._now(),
            "method": wanted["method"],
            "url": wanted["url"],
            "parameters": wanted["parameters"],
            "attempt": row["attempts"] + 1,
            "request_headers": dict(attempts[-1].headers) if attempts else None,
            "hops": [_hop(one) for one in attempts],
            "response_status": response.status if response else None,
            "content_type": response.header("Content-Type")[:64] if response else None,
            "response_headers": _kept(response.headers) if response else None,
            "response_body": response.body[:KEPT_BODY].decode("utf-8", "replace").replace("\0", "�")
            if response
            else None,
            "error_code": error.code if error else None,
            "error_text": error.reason if error else None,
            "duration_ms": round((time.monotonic() - began) * 1000),
        }
        return lambda connection: later(connection, INSERT_DELIVERY, [delivery])

    def _warn(self, row: OutboxRow, reason: str) -> Callable[[Connection], None]:
        wanted = row["payload"]
        notification = {
            "account_sid": row["account_sid"],
            "sid": new_sid(NOTIFICATION),
            "call_sid": wanted["call_sid"],
            "log": "1",
            "error_code": "15003",
            "message_text": f"The status callback was not taken: {reason}. Answer it with 204, or with 200.",
            "message_date": self._now(),
            "request_method": wanted["method"],
            "request_url": wanted["url"],
        }
        return lambda connection: later(connection, INSERT_WARNING, [notification])


def _hop(one: Attempt) -> dict[str, Any]:
    names = ("method", "url", "seconds", "status", "error_code")
    return {name: getattr(one, name) for name in names}


def _kept(headers: tuple[tuple[str, str], ...]) -> list[list[str]]:
    """An answer's headers without the cookies that it sets, none longer than people read."""
    shown = [[name[:100], text[:KEPT_HEADER]] for name, text in headers if name.lower() != "set-cookie"]
    return shown[:KEPT_HEADERS]


def _both(
    first: Callable[[Connection], None], second: Callable[[Connection], None] | None
) -> Callable[[Connection], None]:
    def unit(connection: Connection) -> None:
        first(connection)
        if second:
            second(connection)

    return unit

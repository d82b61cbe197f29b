"""What every stream of server-sent events does: how it begins, is refused, is kept alive, and ends.

Streams are ASGI apps beside Flask, because each would hold one of its threads for hours. The credentials come in the
Authorization header only: addresses end up in logs.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any
from urllib.parse import parse_qsl

import structlog

from foundation.webserver.bridge import Receive, Scope, Send
from foundation.webserver.errors import ApiError, error_body
from presence import fields
from presence.access.callers import Caller, Kind
from presence.access.refusals import AccessRefused
from presence.faults import Absent
from presence.subscriptions.ending import Crowded, Ended

KEEP_ALIVE = 15.0  # seconds between comments while nothing happens
WARNING = 30.0  # seconds before the token's end
SLOWEST = 60.0  # seconds for one message to be taken by the connection
RECHECK = 60.0  # seconds between looks at whether the credentials still hold

HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]
BEGINNING = "retry: 1000\n\n"
STILL_HERE = ": still here\n\n"

Recognise = Callable[[str, str, str], Caller]
"""The caller of an Authorization header for an account, from an address; AccessRefused, ApiError. Blocking."""

log = structlog.get_logger(__name__)


class Deadlines:
    """When something is due on a stream, in Unix seconds."""

    def __init__(self, caller: Caller, now: float, keep_alive: float) -> None:
        never = float("inf")
        self.comment = now + keep_alive
        self.end = caller.grant.expires_at if caller.grant else never
        self.warning = self.end - WARNING
        # The first time at once: they may have been revoked while nobody knew yet of this stream.
        self.recheck = never if caller.kind is Kind.SERVICE else now

    def next(self) -> float:
        return min(self.comment, self.end, self.warning, self.recheck)


def event(name: str, data: dict[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"


def headers(scope: Scope) -> dict[bytes, str]:
    return {name: value.decode("latin-1") for name, value in scope["headers"]}


def query(scope: Scope) -> dict[str, str]:
    """The request's query; ApiError 400 when it is none."""
    try:
        return dict(parse_qsl(scope["query_string"].decode(), keep_blank_values=True, max_num_fields=20))
    except ValueError:
        raise fields.invalid("The query is not URL-encoded UTF-8 text of at most 20 fields.") from None


async def serve(events: AsyncGenerator[str, None], receive: Receive, send: Send, **about: str) -> None:
    """Sends until the client goes or the events end. `about` is logged when a connection is given up."""
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    gone = asyncio.create_task(_gone(receive))
    sending = asyncio.create_task(_send_all(events, send, about))
    try:
        await asyncio.wait([gone, sending], return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (gone, sending):
            task.cancel()
        await asyncio.gather(gone, sending, return_exceptions=True)
    if sending.done() and not sending.cancelled() and (fault := sending.exception()):
        raise fault


async def refuse(send: Send, error: Exception, what: str) -> None:
    """Answers for a stream that does not begin. `what` can't be read when it is the database's fault."""
    status, code, more = 503, 20503, {"Retry-After": "1"}
    message = f"{what} cannot be read now. Try again."
    match error:
        case ApiError():
            status, code, message, more = error.status, error.code, error.message, error.headers
        case AccessRefused():
            status, code, more = error.codes.status, error.codes.rest, {}
            message = f"Refused: {error.message} ({error.codes.signal})."
        case Crowded():
            status, code, more = 429, 20429, {"Retry-After": "5"}
            message = f"Refused: {error}. Close some, or subscribe to several clients at once."
        case Ended():
            message = error.ending.message
        case Absent():
            status, code, message, more = error.status, error.code, str(error), {}
    body = json.dumps(error_body(status, code, message)).encode()
    plain = {"Content-Type": "application/json", "Content-Length": str(len(body)), **more}
    encoded = [(name.lower().encode(), value.encode()) for name, value in plain.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})


async def _send_all(events: AsyncGenerator[str, None], send: Send, about: dict[str, str]) -> None:
    try:
        async with aclosing(events):
            async for text in events:
                async with asyncio.timeout(SLOWEST):
                    await send({"type": "http.response.body", "body": text.encode(), "more_body": True})
        async with asyncio.timeout(SLOWEST):
            await send({"type": "http.response.body", "body": b""})
    except (OSError, TimeoutError) as error:  # the connection is gone, or nobody reads it
        log.info("a stream was given up", error=repr(error), **about)


async def _gone(receive: Receive) -> None:
    """Until the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass

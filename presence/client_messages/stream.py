"""`GET …/Clients/{client}/MessageStream?endpoint_id=…`: a device's messages as server-sent events, for clients without
a signalling socket (PR-72).

    event: message    data: a message; it comes again on the next stream until it is acknowledged
    event: expiring   data: {"seconds"}: the token ends then
    event: ended      data: {"code", "message", "retry"}: nothing more comes

Beside Flask, because a stream would hold one of its threads for hours.
"""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Any
from urllib.parse import parse_qsl, unquote

import structlog
from sqlalchemy.exc import SQLAlchemyError

from foundation.webserver.bridge import Receive, Scope, Send
from foundation.webserver.errors import ApiError, error_body
from presence import fields
from presence.access.callers import Caller, Kind
from presence.access.refusals import AccessRefused, Refusal
from presence.access.tokens import Grant
from presence.api.registrations import ENDPOINT_ID
from presence.client_messages.inboxes import Inboxes, Shown
from presence.subscriptions.crowd import Crowd
from presence.subscriptions.ending import Crowded, Ending
from presence.subscriptions.stream import HEADERS, KEEP_ALIVE, RECHECK, SLOWEST, Deadlines, Recognise

PATH = re.compile(r"/v1/Accounts/(AC[0-9a-f]{32})/Clients/([^/]+)/MessageStream\Z")

log = structlog.get_logger(__name__)

Said = Shown | Ending


class MessageStream:
    """The streams of this process, as an ASGI app."""

    def __init__(
        self,
        inboxes: Inboxes,
        recognise: Recognise,
        now: Callable[[], float],
        *,
        keep_alive: float = KEEP_ALIVE,
    ) -> None:
        self._inboxes, self._recognise, self._now = inboxes, recognise, now
        self._keep_alive = keep_alive
        self._crowd = Crowd()
        self._open: dict[asyncio.Queue[Said], Grant] = {}

    @staticmethod
    def takes(scope: Scope) -> bool:
        return scope["type"] == "http" and PATH.match(scope["path"]) is not None

    def end_where(self, refusal: Refusal, gone: Callable[[Grant], bool]) -> None:
        """The grants that match are over, and their streams with them (PR-7)."""
        for queue, grant in self._open.items():
            if gone(grant):
                queue.put_nowait(Ending.of(refusal))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if scope["method"] != "GET":
                raise ApiError(405, 20004, "A stream takes GET only.", {"Allow": "GET"})
            grant, endpoint_id, caller, look = await self._admit(scope)
            whose = (grant.account_sid, grant.identity)
            self._crowd.enter(whose)
        except (ApiError, AccessRefused, Crowded, SQLAlchemyError) as error:
            await _refuse(send, error)
            return
        queue: asyncio.Queue[Said] = asyncio.Queue()

        async def take(shown: Sequence[Shown]) -> None:
            for one in shown:
                queue.put_nowait(one)  # a device has a window of messages that it has not acknowledged

        self._open[queue] = grant
        listener = self._inboxes.listen(whose, endpoint_id, take, early=True)
        try:
            await self._serve(self._events(caller, queue, look), receive, send)
        finally:
            self._inboxes.leave(listener)
            del self._open[queue]
            self._crowd.leave(whose)

    async def _admit(self, scope: Scope) -> tuple[Grant, str, Caller, Callable[[], Caller]]:
        """Whose stream it is, and how to look again whether the credentials hold."""
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        matched = PATH.match(scope["path"])
        assert matched is not None
        account_sid, client = matched[1], unquote(matched[2])
        try:
            given = dict(parse_qsl(scope["query_string"].decode(), keep_blank_values=True, max_num_fields=20))
        except ValueError:
            raise fields.invalid("The query is not URL-encoded UTF-8 text of at most 20 fields.") from None
        address = (scope.get("client") or ("",))[0]

        def look() -> Caller:
            return self._recognise(headers.get(b"authorization", ""), account_sid, address)

        caller = await asyncio.to_thread(look)
        if caller.kind is not Kind.CLIENT or caller.grant is None:
            raise AccessRefused(Refusal.KIND)
        if caller.grant.identity != client:
            raise AccessRefused(Refusal.FOREIGN)
        return caller.grant, _endpoint_id(given), caller, look

    async def _serve(self, events: AsyncGenerator[str, None], receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        gone = asyncio.create_task(_gone(receive))
        sending = asyncio.create_task(_send_all(events, send))
        try:
            await asyncio.wait([gone, sending], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (gone, sending):
                task.cancel()
            await asyncio.gather(gone, sending, return_exceptions=True)

    async def _events(
        self, caller: Caller, queue: asyncio.Queue[Said], look: Callable[[], Caller]
    ) -> AsyncGenerator[str, None]:
        clock = Deadlines(caller, self._now(), self._keep_alive)
        yield "retry: 1000\n\n"
        while True:
            said: Said | None = None
            try:
                async with asyncio.timeout(max(0.0, clock.next() - self._now())):
                    said = await queue.get()
            except TimeoutError:
                pass
            now = self._now()
            if now >= clock.end:
                said = Ending.of(Refusal.EXPIRED)
            if isinstance(said, Ending):
                yield _event("ended", said.payload())
                return
            if said is not None:
                yield _event("message", said)
                clock.comment = now + self._keep_alive
            elif now >= clock.comment:
                clock.comment = now + self._keep_alive
                yield ": still here\n\n"
            if now >= clock.warning:
                clock.warning = float("inf")
                yield _event("expiring", {"seconds": max(0, round(clock.end - now))})
            if now >= clock.recheck:
                clock.recheck = now + RECHECK
                try:
                    await asyncio.to_thread(look)
                except AccessRefused as refused:
                    queue.put_nowait(Ending.of(refused.refusal))
                except Exception as error:
                    log.warning("a stream's credentials could not be looked at", error=repr(error))


def _endpoint_id(given: dict[str, Any]) -> str:
    endpoint_id = fields.text(given, "endpoint_id", 64)
    if not ENDPOINT_ID.match(endpoint_id):
        raise fields.invalid("endpoint_id takes 1 to 64 of letters, digits and _ . : -")
    return endpoint_id


def _event(name: str, data: dict[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"


async def _send_all(events: AsyncGenerator[str, None], send: Send) -> None:
    try:
        async with aclosing(events):
            async for text in events:
                async with asyncio.timeout(SLOWEST):
                    await send({"type": "http.response.body", "body": text.encode(), "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    except (OSError, TimeoutError) as error:  # the connection is gone, or nobody reads it
        log.info("a stream of messages was given up", error=repr(error))


async def _gone(receive: Receive) -> None:
    """Until the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _refuse(send: Send, error: Exception) -> None:
    status, code, message, headers = (
        503,
        20503,
        "Messages cannot be read now. Try again.",
        {"Retry-After": "1"},
    )
    match error:
        case ApiError():
            status, code, message, headers = error.status, error.code, error.message, error.headers
        case AccessRefused():
            status, code, headers = error.codes.status, error.codes.rest, {}
            message = f"Refused: {error.message} ({error.codes.signal})."
        case Crowded():
            status, code, headers = 429, 20429, {"Retry-After": "5"}
            message = f"Refused: {error}. Close some."
    body = json.dumps(error_body(status, code, message)).encode()
    plain = {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}
    encoded = [(name.lower().encode(), value.encode()) for name, value in plain.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})

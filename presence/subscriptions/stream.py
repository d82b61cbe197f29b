"""`GET /v1/Accounts/{A}/PresenceStream`: changes as server-sent events (PR-40, PR-41).

    event: presence   data: a message; its `id` is the cursor, which `Last-Event-ID` or `?cursor=` takes up again
    event: expiring   data: {"seconds"}: the token ends then; come back with a new one
    event: ended      data: {"code", "message", "retry"}: nothing more comes

Beside Flask, because a stream would hold one of its threads for hours. The credentials come in the Authorization header
only: addresses end up in logs.
"""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from urllib.parse import parse_qsl

import structlog
from sqlalchemy.exc import SQLAlchemyError

from foundation.webserver.bridge import Receive, Scope, Send
from foundation.webserver.errors import ApiError, error_body
from presence import fields
from presence.access.callers import Caller, Kind
from presence.access.refusals import AccessRefused, Refusal
from presence.faults import Absent
from presence.subscriptions import following
from presence.subscriptions.crowd import Crowd
from presence.subscriptions.ending import Crowded, Ended, Ending
from presence.subscriptions.feed import Feed
from presence.subscriptions.following import Wanted
from presence.subscriptions.messages import Message
from presence.subscriptions.subscriber import Subscriber

PATH = re.compile(r"/v1/Accounts/(AC[0-9a-f]{32})/PresenceStream\Z")
KEEP_ALIVE = 15.0  # seconds between comments while nothing happens
WARNING = 30.0  # seconds before the token's end
SLOWEST = 60.0  # seconds for one message to be taken by the connection
RECHECK = 60.0  # seconds between looks at whether the credentials still hold

HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]

Recognise = Callable[[str, str, str], Caller]
"""The caller of an Authorization header for an account, from an address; AccessRefused, ApiError. Blocking."""


log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class _Request:
    account_sid: str
    authorization: str
    address: str
    wanted: Wanted
    cursor: int | None


class PresenceStream:
    """The streams of this process, as an ASGI app."""

    def __init__(self, feed: Feed, recognise: Recognise, *, keep_alive: float = KEEP_ALIVE) -> None:
        self._feed, self._recognise, self._keep_alive = feed, recognise, keep_alive
        self._crowd = Crowd()

    @staticmethod
    def takes(scope: Scope) -> bool:
        return scope["type"] == "http" and PATH.match(scope["path"]) is not None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if scope["method"] != "GET":
                raise ApiError(405, 20004, "A stream takes GET only.", {"Allow": "GET"})
            request = _read(scope)
            caller = await self._caller(request)
            whose = (request.account_sid, caller.grant.identity if caller.grant else "")
            view = request.wanted.by(caller)
            self._crowd.enter(whose)
        except (ApiError, AccessRefused, Crowded, SQLAlchemyError) as error:
            await _refuse(send, error)
            return
        try:
            try:
                subscriber = await self._feed.follow(
                    request.account_sid, view, cursor=request.cursor, grant=caller.credential
                )
            except (Absent, Ended, TimeoutError, SQLAlchemyError) as error:
                await _refuse(send, error)
                return
            try:
                await self._serve(request, caller, subscriber, receive, send)
            finally:
                self._feed.leave(subscriber)
        finally:
            self._crowd.leave(whose)

    async def _caller(self, request: _Request) -> Caller:
        return await asyncio.to_thread(
            self._recognise, request.authorization, request.account_sid, request.address
        )

    async def _serve(
        self, request: _Request, caller: Caller, subscriber: Subscriber, receive: Receive, send: Send
    ) -> None:
        """Sends until the client goes or the subscription ends."""
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        gone = asyncio.create_task(_gone(receive))
        sending = asyncio.create_task(self._send_all(request, caller, subscriber, send))
        try:
            await asyncio.wait([gone, sending], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (gone, sending):
                task.cancel()
            await asyncio.gather(gone, sending, return_exceptions=True)
        if sending.done() and not sending.cancelled() and (fault := sending.exception()):
            raise fault

    async def _send_all(self, request: _Request, caller: Caller, subscriber: Subscriber, send: Send) -> None:
        try:
            async with aclosing(self._events(request, caller, subscriber)) as events:
                async for text in events:
                    async with asyncio.timeout(SLOWEST):
                        await send({"type": "http.response.body", "body": text.encode(), "more_body": True})
            async with asyncio.timeout(SLOWEST):
                await send({"type": "http.response.body", "body": b""})
        except (OSError, TimeoutError) as error:  # the connection is gone, or nobody reads it
            log.info("a stream was given up", account_sid=request.account_sid, error=repr(error))

    async def _events(
        self, request: _Request, caller: Caller, subscriber: Subscriber
    ) -> AsyncGenerator[str, None]:
        clock = Deadlines(caller, self._feed.now(), self._keep_alive)
        yield "retry: 1000\n\n"
        while True:
            try:
                async with asyncio.timeout(max(0.0, clock.next() - self._feed.now())):
                    message = await subscriber.next()
            except Ended as ended:
                yield _event("ended", ended.ending.payload())
                return
            except TimeoutError:
                message = None
            if message is not None:
                yield _presence(message)
            now = self._feed.now()
            if message is not None or now >= clock.comment:
                clock.comment = now + self._keep_alive
                if message is None:
                    yield ": still here\n\n"
            if now >= clock.warning:
                clock.warning = float("inf")
                yield _event("expiring", {"seconds": max(0, round(clock.end - now))})
            if now >= clock.end:
                subscriber.end(Ending.of(Refusal.EXPIRED))
            if now >= clock.recheck:
                clock.recheck = now + RECHECK
                try:
                    await self._caller(request)
                except AccessRefused as refused:
                    subscriber.end(Ending.of(refused.refusal))
                except Exception as error:
                    log.warning("a stream's credentials could not be looked at", error=repr(error))


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


def _read(scope: Scope) -> _Request:
    headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
    try:
        given = dict(parse_qsl(scope["query_string"].decode(), keep_blank_values=True, max_num_fields=20))
    except ValueError:
        raise fields.invalid("The query is not URL-encoded UTF-8 text of at most 20 fields.") from None
    said = headers.get(b"last-event-id") or given.pop("cursor", "")
    given.pop("cursor", None)
    if said and not (said.isascii() and said.isdigit() and len(said) < 19):
        raise fields.invalid("cursor and Last-Event-ID take the id of an earlier event.")
    matched = PATH.match(scope["path"])
    assert matched is not None
    return _Request(
        account_sid=matched[1],
        authorization=headers.get(b"authorization", ""),
        address=(scope.get("client") or ("",))[0],
        wanted=following.in_address(given),
        cursor=int(said) if said else None,
    )


def _presence(message: Message) -> str:
    place = "" if message.more else f"id: {message.as_of}\n"
    return f"{place}event: presence\ndata: {message.text}\n\n"


def _event(name: str, data: dict[str, object]) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"


async def _gone(receive: Receive) -> None:
    """Until the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _refuse(send: Send, error: Exception) -> None:
    status, code, headers = 503, 20503, {"Retry-After": "1"}
    message = "Presence cannot be read now. Try again."
    match error:
        case ApiError():
            status, code, message, headers = error.status, error.code, error.message, error.headers
        case AccessRefused():
            status, code, headers = error.codes.status, error.codes.rest, {}
            message = f"Refused: {error.message} ({error.codes.signal})."
        case Crowded():
            status, code, headers = 429, 20429, {"Retry-After": "5"}
            message = f"Refused: {error}. Close some, or subscribe to several clients at once."
        case Ended():
            message = error.ending.message
        case Absent():
            status, code, message, headers = error.status, error.code, str(error), {}
    body = json.dumps(error_body(status, code, message)).encode()
    plain = {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}
    encoded = [(name.lower().encode(), value.encode()) for name, value in plain.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})

"""`GET /v1/Accounts/{A}/PresenceStream`: changes as server-sent events (PR-40, PR-41).

event: presence   data: a message; its `id` is the cursor, which `Last-Event-ID` or `?cursor=` takes up again
event: expiring   data: {"seconds"}: the token ends then; come back with a new one
event: ended      data: {"code", "message", "retry"}: nothing more comes
"""

import asyncio
import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import SQLAlchemyError

from foundation.webserver.bridge import Receive, Scope, Send
from foundation.webserver.errors import ApiError
from presence import event_streams as streams
from presence import fields
from presence.access.callers import Caller
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
WHAT = "Presence"

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

    def __init__(
        self, feed: Feed, recognise: streams.Recognise, *, keep_alive: float = streams.KEEP_ALIVE
    ) -> None:
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
            await streams.refuse(send, error, WHAT)
            return
        try:
            try:
                subscriber = await self._feed.follow(
                    request.account_sid, view, cursor=request.cursor, grant=caller.credential
                )
            except (Absent, Ended, TimeoutError, SQLAlchemyError) as error:
                await streams.refuse(send, error, WHAT)
                return
            try:
                events = self._events(request, caller, subscriber)
                await streams.serve(events, receive, send, account_sid=request.account_sid)
            finally:
                self._feed.leave(subscriber)
        finally:
            self._crowd.leave(whose)

    async def _caller(self, request: _Request) -> Caller:
        return await asyncio.to_thread(
            self._recognise, request.authorization, request.account_sid, request.address
        )

    async def _events(
        self, request: _Request, caller: Caller, subscriber: Subscriber
    ) -> AsyncGenerator[str, None]:
        clock = streams.Deadlines(caller, self._feed.now(), self._keep_alive)
        yield streams.BEGINNING
        while True:
            try:
                async with asyncio.timeout(max(0.0, clock.next() - self._feed.now())):
                    message = await subscriber.next()
            except Ended as ended:
                yield streams.event("ended", ended.ending.payload())
                return
            except TimeoutError:
                message = None
            if message is not None:
                yield _presence(message)
            now = self._feed.now()
            if message is not None or now >= clock.comment:
                clock.comment = now + self._keep_alive
                if message is None:
                    yield streams.STILL_HERE
            if now >= clock.warning:
                clock.warning = float("inf")
                yield streams.event("expiring", {"seconds": max(0, round(clock.end - now))})
            if now >= clock.end:
                subscriber.end(Ending.of(Refusal.EXPIRED))
            if now >= clock.recheck:
                clock.recheck = now + streams.RECHECK
                try:
                    await self._caller(request)
                except AccessRefused as refused:
                    subscriber.end(Ending.of(refused.refusal))
                except Exception as error:
                    log.warning("a stream's credentials could not be looked at", error=repr(error))


def _read(scope: Scope) -> _Request:
    headers, given = streams.headers(scope), streams.query(scope)
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

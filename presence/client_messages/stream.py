"""`GET …/Clients/{client}/MessageStream?endpoint_id=…`: a device's messages as server-sent events, for clients without
a signalling socket (PR-72).

    event: message    data: a message; it comes again on the next stream until it is acknowledged
    event: expiring   data: {"seconds"}: the token ends then
    event: ended      data: {"code", "message", "retry"}: nothing more comes
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any
from urllib.parse import unquote

import structlog
from sqlalchemy.exc import SQLAlchemyError

from foundation.webserver.bridge import Receive, Scope, Send
from foundation.webserver.errors import ApiError
from presence import event_streams as streams
from presence import fields
from presence.access.callers import Caller, Kind
from presence.access.refusals import AccessRefused, Refusal
from presence.access.tokens import Grant
from presence.api.registrations import ENDPOINT_ID
from presence.client_messages.inboxes import Inboxes, Shown
from presence.subscriptions.crowd import Crowd
from presence.subscriptions.ending import Crowded, Ending

PATH = re.compile(r"/v1/Accounts/(AC[0-9a-f]{32})/Clients/([^/]+)/MessageStream\Z")

log = structlog.get_logger(__name__)

Said = Shown | Ending


class MessageStream:
    """The streams of this process, as an ASGI app."""

    def __init__(
        self,
        inboxes: Inboxes,
        recognise: streams.Recognise,
        now: Callable[[], float],
        *,
        keep_alive: float = streams.KEEP_ALIVE,
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
            await streams.refuse(send, error, "Messages")
            return
        queue: asyncio.Queue[Said] = asyncio.Queue()

        async def take(shown: Sequence[Shown]) -> None:
            for one in shown:
                queue.put_nowait(one)  # a device has a window of messages that it has not acknowledged

        self._open[queue] = grant
        listener = self._inboxes.listen(whose, endpoint_id, take, early=True)
        try:
            await streams.serve(
                self._events(caller, queue, look), receive, send, account_sid=whose[0], client=whose[1]
            )
        finally:
            self._inboxes.leave(listener)
            del self._open[queue]
            self._crowd.leave(whose)

    async def _admit(self, scope: Scope) -> tuple[Grant, str, Caller, Callable[[], Caller]]:
        """Whose stream it is, and how to look again whether the credentials hold."""
        headers, given = streams.headers(scope), streams.query(scope)
        matched = PATH.match(scope["path"])
        assert matched is not None
        account_sid, client = matched[1], unquote(matched[2])
        address = (scope.get("client") or ("",))[0]

        def look() -> Caller:
            return self._recognise(headers.get(b"authorization", ""), account_sid, address)

        caller = await asyncio.to_thread(look)
        if caller.kind is not Kind.CLIENT or caller.grant is None:
            raise AccessRefused(Refusal.KIND)
        if caller.grant.identity != client:
            raise AccessRefused(Refusal.FOREIGN)
        if not caller.grant.incoming:
            raise AccessRefused(Refusal.INCOMING)
        return caller.grant, _endpoint_id(given), caller, look

    async def _events(
        self, caller: Caller, queue: asyncio.Queue[Said], look: Callable[[], Caller]
    ) -> AsyncGenerator[str, None]:
        clock = streams.Deadlines(caller, self._now(), self._keep_alive)
        yield streams.BEGINNING
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
                yield streams.event("ended", said.payload())
                return
            if said is not None:
                yield streams.event("message", said)
                clock.comment = now + self._keep_alive
            elif now >= clock.comment:
                clock.comment = now + self._keep_alive
                yield streams.STILL_HERE
            if now >= clock.warning:
                clock.warning = float("inf")
                yield streams.event("expiring", {"seconds": max(0, round(clock.end - now))})
            if now >= clock.recheck:
                clock.recheck = now + streams.RECHECK
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

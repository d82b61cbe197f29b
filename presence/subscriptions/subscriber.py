"""One subscriber of the feed: whoever sends its messages asks for the next one when the last has gone out."""

import asyncio
from collections import deque
from typing import Protocol

import structlog

from presence.access.tokens import Grant
from presence.reading.snapshots import Snapshot
from presence.reading.views import View
from presence.subscriptions import messages
from presence.subscriptions.ending import UNREADABLE, Ended, Ending
from presence.subscriptions.messages import Message
from presence.subscriptions.news import News
from presence.subscriptions.subscription import Subscription

log = structlog.get_logger(__name__)


class Source(Protocol):
    """What a subscriber needs of the feed."""

    def now(self) -> float: ...

    def position(self, subscriber: "Subscriber") -> int | None: ...

    async def snapshot(self, account_sid: str, view: View) -> Snapshot: ...


class Subscriber:
    """Follows one account with one view, from a cursor or from a snapshot on. `grant`: the client's, if it is one."""

    def __init__(
        self, source: Source, account_sid: str, view: View, *, cursor: int | None, grant: Grant | None = None
    ) -> None:
        self.account_sid, self.view, self.grant = account_sid, view, grant
        self.place = Subscription(cursor)
        self.left = False
        self._source = source
        self._parts: deque[Message] = deque()
        self._first = True
        self._ending: Ending | None = None
        self._stirred = asyncio.Event()

    def offer(self, news: News) -> None:
        """Something happened that concerns it."""
        self.place.offer(news)
        self._stirred.set()

    def lose(self, as_of: int) -> None:
        """What happened up to this number can't be told one by one: a snapshot is next."""
        self.place.lose(as_of)
        self._stirred.set()

    def end(self, ending: Ending) -> None:
        """It is over; the first reason counts."""
        self._ending = self._ending or ending
        self._stirred.set()

    async def next(self) -> Message:
        """The next message, once there is one; the first comes at once. Ended: there will be none."""
        while True:
            if self._ending is not None:
                raise Ended(self._ending)
            if self._parts:
                return self._parts.popleft()
            if self.place.cursor is None:
                await self._begin()
                continue
            first, self._first = self._first, False
            news = self.place.take()
            if news is not None:
                return messages.of_news(news, self.view, self._source.now())
            if first:
                return messages.nothing(self._source.position(self) or self.place.cursor)
            self._stirred.clear()
            await self._stirred.wait()

    async def _begin(self) -> None:
        self._first = False
        try:
            there = await self._source.snapshot(self.account_sid, self.view)
        except Exception as error:
            log.warning("a snapshot could not be read", account_sid=self.account_sid, error=repr(error))
            raise Ended(UNREADABLE) from error
        self.place.began(there.as_of)
        self._parts.extend(messages.of_snapshot(there, self.view, self._source.now()))

"""Feeds this process's subscribers from the change log; lives on the gateway's loop (PR-40 to PR-46).

For each account that somebody follows it reads the log's new lines, on a thread: at once when this process has
committed some, and when a look at the accounts' numbers every POLL seconds shows that another process has. An account
is read every MERGE seconds at most, so a storm comes as few messages, each with the latest of every client.

Whoever reads slowly waits alone: what happens meanwhile is merged for it, or dropped for a snapshot (subscription.py).
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog
from prometheus_client import Gauge

from foundation.clock import Clock
from foundation.db import Database
from presence.access.refusals import Refusal
from presence.access.tokens import Grant
from presence.changes import after_commits
from presence.faults import Absent
from presence.reading.snapshots import Client, Snapshot, snapshot, viewed
from presence.reading.views import View
from presence.subscriptions import log as changelog
from presence.subscriptions.ending import DRAINING, Ended, Ending
from presence.subscriptions.log import Tail
from presence.subscriptions.news import Memberships, News, sift, steps
from presence.subscriptions.subscriber import Subscriber

log = structlog.get_logger(__name__)
T = TypeVar("T")

POLL = 0.25  # seconds between looks at what other processes have changed
MERGE = 0.05  # seconds between two messages about one account (PR-45)
PAGE = 1_000  # lines of the log that are read at once
REPLAYED = 5_000  # lines that a subscriber may have missed; beyond it, a snapshot is less work
READ_SECONDS = 15.0
READERS, SNAPSHOTS = 2, 2  # threads
SUBSCRIBERS = Gauge(
    "presence_subscribers", "Streams, socket subscriptions and webhooks that follow an account"
)


@dataclass(eq=False)
class _Account:
    """An account that somebody follows. `last`: the feed is there in the log."""

    sid: str
    last: int = -1
    entering: int = 0
    memberships: Memberships = field(default_factory=Memberships)
    audiences: dict[View, set[Subscriber]] = field(default_factory=dict)
    reading: asyncio.Lock = field(default_factory=asyncio.Lock)
    task: asyncio.Task[None] | None = None
    again: bool = False
    read_at: float = float("-inf")

    @property
    def subscribers(self) -> list[Subscriber]:
        return [one for audience in self.audiences.values() for one in audience]


class Feed:
    """All subscribers of this process; to be used on one loop, but for `wake`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.database, self._clock = database, clock
        self._loop = asyncio.get_running_loop()
        self._accounts: dict[str, _Account] = {}
        self._draining = False
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="feed")
        self._snapshots = ThreadPoolExecutor(SNAPSHOTS, thread_name_prefix="feed-snapshots")
        after_commits(database, self.wake)

    @property
    def followed(self) -> Collection[str]:
        """The accounts that somebody follows."""
        return self._accounts.keys()

    def now(self) -> float:
        return self._clock().timestamp()

    async def run(self) -> None:
        """Looks for what other processes have changed, for ever. Never dies of a database that is away."""
        while True:
            await asyncio.sleep(POLL)
            try:
                await self._look()
            except Exception as error:
                log.warning("changes could not be read; the next look follows", error=repr(error))

    def wake(self, account_sid: str) -> None:
        """Something of this account was committed. From any thread."""
        if account_sid in self._accounts:
            with suppress(RuntimeError):  # the loop has been closed: nobody listens any more
                self._loop.call_soon_threadsafe(self._stir, account_sid)

    async def follow(
        self, account_sid: str, view: View, *, cursor: int | None = None, grant: Grant | None = None
    ) -> Subscriber:
        """A new subscriber, to be given back to `leave`. With a cursor it hears what it has missed, if that is still
        kept, else a snapshot. Absent: no such account. Ended: this process is stopping."""
        if self._draining:
            raise Ended(DRAINING)
        subscriber = Subscriber(self, account_sid, view, cursor=cursor, grant=grant)
        SUBSCRIBERS.inc()
        try:
            async with asyncio.timeout(READ_SECONDS):
                await self._enter(subscriber)
                if cursor is not None:
                    await self._replay(subscriber, cursor)
        except BaseException:
            self.leave(subscriber)
            raise
        return subscriber

    def leave(self, subscriber: Subscriber) -> None:
        """The subscriber wants no more; again changes nothing."""
        if subscriber.left:
            return
        subscriber.left = True
        SUBSCRIBERS.dec()
        account = self._accounts.get(subscriber.account_sid)
        if account is None:
            return
        audience = account.audiences.get(subscriber.view, set())
        audience.discard(subscriber)
        if not audience and account.audiences.pop(subscriber.view, None) is not None:
            wanted = frozenset[str]().union(*(view.lists for view in account.audiences))
            account.memberships.drop(subscriber.view.lists - wanted)
        self._tidy(account)

    def position(self, subscriber: Subscriber) -> int | None:
        """The number up to which it has been told everything that concerns it; None before its snapshot."""
        account = self._accounts.get(subscriber.account_sid)
        if account is None or subscriber.place.cursor is None:
            return None
        if subscriber.place.waits:
            return subscriber.place.cursor
        return max(subscriber.place.cursor, account.last)

    def end_where(self, refusal: Refusal, gone: Callable[[Grant], bool]) -> None:
        """The grants that match are over: so are their subscriptions (PR-47)."""
        for subscriber in self._all():
            if subscriber.grant is not None and gone(subscriber.grant):
                subscriber.end(Ending.of(refusal))

    def drain(self) -> None:
        """This process is stopping: everybody is told to come back, to whoever serves then."""
        self._draining = True
        for subscriber in self._all():
            subscriber.end(DRAINING)

    def close(self) -> None:
        for pool in (self._readers, self._snapshots):
            pool.shutdown(wait=False, cancel_futures=True)

    async def snapshot(self, account_sid: str, view: View) -> Snapshot:
        """Everybody whom the view shows, as of one number."""
        async with asyncio.timeout(READ_SECONDS):
            return await self._loop.run_in_executor(
                self._snapshots, viewed, self.database, account_sid, view, self.now()
            )

    def _all(self) -> list[Subscriber]:
        return [one for account in self._accounts.values() for one in account.subscribers]

    async def _enter(self, subscriber: Subscriber) -> None:
        """From here on the subscriber hears what happens; nothing is read of the account meanwhile."""
        sid, view = subscriber.account_sid, subscriber.view
        account = self._accounts.setdefault(sid, _Account(sid))
        account.entering += 1
        try:
            async with account.reading:
                if account.last < 0:
                    found = await self._read(changelog.heads, self.database, [sid])
                    if sid not in found:
                        raise Absent("There is no such account.")
                    account.last = found[sid]
                while missing := view.lists - account.memberships.lists:
                    members = await self._read(changelog.members, self.database, sid, missing)
                    account.memberships.put(members)
                account.audiences.setdefault(view, set()).add(subscriber)
        finally:
            account.entering -= 1
            self._tidy(account)

    def _tidy(self, account: _Account) -> None:
        if not account.audiences and not account.entering:
            self._accounts.pop(account.sid, None)

    async def _replay(self, subscriber: Subscriber, cursor: int) -> None:
        """What happened since the cursor; if that is not known any more, a snapshot follows."""
        sid, view = subscriber.account_sid, subscriber.view
        tail, members = await self._read(changelog.history, self.database, sid, cursor, REPLAYED, view.lists)
        if not tail.whole or tail.as_of != tail.head:
            subscriber.lose(0)
            return
        memberships = Memberships()
        memberships.put(members)
        memberships.rewind(tail.entries)
        devices = await self._devices(sid, tail, [view])
        found = sift(view, steps(tail.entries, memberships), devices)
        subscriber.offer(News(after=tail.after, as_of=tail.as_of, clients=found))

    async def _look(self) -> None:
        if not self._accounts:
            return
        found = await self._read(changelog.heads, self.database, list(self._accounts))
        for sid, head in found.items():
            account = self._accounts.get(sid)
            if account is not None and 0 <= account.last != head:
                self._stir(sid)

    def _stir(self, account_sid: str) -> None:
        account = self._accounts.get(account_sid)
        if account is None:
            return
        if account.task is None:
            account.task = self._loop.create_task(self._advance(account))
        else:
            account.again = True

    async def _advance(self, account: _Account) -> None:
        """Reads what is new until there is no more."""
        try:
            account.again = True
            while account.again:
                await asyncio.sleep(account.read_at + MERGE - self._loop.time())
                account.again, account.read_at = False, self._loop.time()
                async with account.reading:
                    await self._read_on(account)
        except Exception as error:
            log.warning("an account's changes could not be read", account_sid=account.sid, error=repr(error))
        finally:
            account.task = None

    async def _read_on(self, account: _Account) -> None:
        if account.last < 0:
            return  # nobody could enter yet
        tail = await self._read(changelog.tail, self.database, account.sid, account.last, PAGE)
        if not tail.whole:  # the log was cut, or the database is an older copy of itself
            account.last = tail.head or 0
            lists = account.memberships.lists
            account.memberships.put(await self._read(changelog.members, self.database, account.sid, lists))
            for subscriber in account.subscribers:
                subscriber.lose(account.last)
            return
        devices = await self._devices(account.sid, tail, account.audiences)
        walked = steps(tail.entries, account.memberships)
        account.last = tail.as_of
        account.again = account.again or len(tail.entries) == PAGE
        for view, audience in account.audiences.items():
            if found := sift(view, walked, devices):
                news = News(after=tail.after, as_of=tail.as_of, clients=found)
                for subscriber in audience:
                    subscriber.offer(news)

    async def _devices(self, account_sid: str, tail: Tail, views: Iterable[View]) -> Mapping[str, Client]:
        """The devices of those who have changed, if somebody sees devices: as they are now, which may be later."""
        if not tail.entries or not any(view.detail for view in views):
            return {}
        names = list({entry.client for entry in tail.entries})
        there = await self._read(snapshot, self.database, account_sid, names, self.now())
        return there.clients

    async def _read(self, read: Callable[..., T], *given: Any) -> T:
        return await self._loop.run_in_executor(self._readers, read, *given)

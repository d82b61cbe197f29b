"""Sockets that follow others: subscriptions over signalling, and the client's own status (PR-40, PR-20).

A subscription is a task that sends the feed's messages, one when the last has gone out. A new token on the socket gives
each a new view: what is in it no more is told as removed, once, and a snapshot follows (PR-47).
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import OperationalError

from foundation.clock import Clock
from foundation.db import DatabaseOverloaded
from foundation.webserver.errors import ApiError
from presence.access.refusals import AccessRefused, Refusal
from presence.faults import CallerFault
from presence.joining import StatusUnknown
from presence.reading.views import View
from presence.signalling import frames, presence_frames
from presence.signalling.frames import PresenceFrame, SetStatus, Subscribe, Unsubscribe
from presence.signalling.socket import QUEUE, Socket
from presence.store import Store
from presence.subscriptions import following, messages
from presence.subscriptions.ending import UNREADABLE, Ended, Ending
from presence.subscriptions.feed import Feed
from presence.subscriptions.following import Wanted
from presence.subscriptions.messages import Message
from presence.subscriptions.subscriber import Subscriber

log = structlog.get_logger(__name__)

MOST = 10  # subscriptions of one socket
BURST = QUEUE // 4  # frames that are queued before the peer has taken those before
STORE_SECONDS = 5.0
RENEWED = Ending(code=0, message="the token was renewed", retry=True)


@dataclass(eq=False)
class _Following:
    """One subscription of a socket. For those who hear of nothing else, `available`: whom it was told to be there,
    and `arriving`: those of a snapshot that is not whole yet."""

    id: str
    wanted: Wanted
    cursor: int | None
    legacy: bool
    subscriber: Subscriber | None = None
    task: asyncio.Task[None] | None = None
    available: frozenset[str] = frozenset()
    arriving: frozenset[str] | None = None


class Watching:
    """The subscriptions of this node's sockets."""

    def __init__(self, feed: Feed, store: Store, clock: Clock) -> None:
        self.feed, self._store, self._clock = feed, store, clock
        self._of: dict[Socket, dict[str, _Following]] = {}
        self._choosing: set[asyncio.Task[None]] = set()

    def perform(self, socket: Socket, frame: PresenceFrame) -> None:
        """Acts on a frame; whether the token permits it was looked at."""
        if isinstance(frame, Subscribe):
            self._subscribe(socket, frame)
        elif isinstance(frame, Unsubscribe):
            self._stop(socket, frame.id)
        else:
            choosing = asyncio.get_running_loop().create_task(self._choose(socket, frame))
            self._choosing.add(choosing)
            choosing.add_done_callback(self._choosing.discard)

    def renewed(self, socket: Socket) -> None:
        """The socket has a new token: what it may see may differ."""
        for one in self._of.get(socket, {}).values():
            if one.subscriber is not None:
                if self._view(socket, one) == one.subscriber.view:
                    one.subscriber.grant = socket.grant
                else:
                    one.subscriber.end(RENEWED)

    def end(self, socket: Socket, refusal: Refusal) -> None:
        """The socket's token permits nothing any more."""
        for one in list(self._of.get(socket, {}).values()):
            self._stop(socket, one.id)
            self._say(socket, one, Ending.of(refusal))

    def forget(self, socket: Socket) -> None:
        """The socket is gone."""
        for name in list(self._of.get(socket, {})):
            self._stop(socket, name)

    def _subscribe(self, socket: Socket, frame: Subscribe) -> None:
        mine = self._of.get(socket, {})
        if frame.id in mine:
            socket.send(frames.error(31100, "a subscription of this socket has that id", id=frame.id))
            return
        if len(mine) >= MOST:
            codes = Refusal.RATE.value
            message = f"a socket has at most {MOST} subscriptions; ask for several clients in one"
            socket.send(frames.error(codes.signal, message, id=frame.id))
            return
        try:
            wanted = following.in_body(frame.wanted)
        except ApiError as error:
            socket.send(frames.error(31100, error.message, id=frame.id))
            return
        one = _Following(id=frame.id, wanted=wanted, cursor=frame.cursor, legacy=frame.legacy)
        self._of.setdefault(socket, {})[frame.id] = one
        one.task = asyncio.get_running_loop().create_task(self._run(socket, one))

    def _stop(self, socket: Socket, id: str) -> None:
        one = self._drop(socket, id)
        if one is not None and one.task is not None:
            one.task.cancel()

    def _drop(self, socket: Socket, id: str) -> _Following | None:
        mine = self._of.get(socket, {})
        one = mine.pop(id, None)
        if not mine:
            self._of.pop(socket, None)
        return one

    async def _run(self, socket: Socket, one: _Following) -> None:
        """Until it ends by itself, and says why."""
        try:
            ending = await self._follow(socket, one)
        except Exception as error:  # the database can't be read: nobody waits for ever
            log.warning("a subscription failed", error=repr(error))
            self._say(socket, one, UNREADABLE)
        else:
            self._say(socket, one, ending)
        self._drop(socket, one.id)

    @staticmethod
    def _say(socket: Socket, one: _Following, ending: Ending) -> None:
        socket.send(presence_frames.ended(one.id, ending.code, ending.message, retry=ending.retry))

    async def _follow(self, socket: Socket, one: _Following) -> Ending:
        before: View | None = None
        while True:
            view = self._view(socket, one)
            if before is not None:
                await self._leave_out(socket, one, before, view)
            if view is None:
                return Ending.of(Refusal.READ)
            grant = socket.grant
            one.subscriber = await self.feed.follow(grant.account_sid, view, cursor=one.cursor, grant=grant)
            try:
                while True:
                    await self._send(socket, one, await one.subscriber.next())
            except Ended as ended:
                if ended.ending is not RENEWED:
                    return ended.ending
            finally:
                self.feed.leave(one.subscriber)
                one.subscriber = None
            before, one.cursor = view, None

    @staticmethod
    def _view(socket: Socket, one: _Following) -> View | None:
        """What the subscription shows by the present token; None: nobody."""
        try:
            return one.wanted.by_client(socket.grant)
        except AccessRefused:
            return None

    async def _leave_out(self, socket: Socket, one: _Following, before: View, after: View | None) -> None:
        """Tells who is not in view any more."""
        account_sid = socket.grant.account_sid
        seen = await self.feed.snapshot(account_sid, before)
        still = (await self.feed.snapshot(account_sid, after)).clients if after else {}
        gone = [name for name in seen.clients if name not in still]
        if gone:
            await self._send(socket, one, messages.removal(gone))

    async def _send(self, socket: Socket, one: _Following, message: Message) -> None:
        if not one.legacy:
            await self._put(socket, [presence_frames.presence(one.id, message.text)])
            return
        if message.snapshot:
            one.arriving = frozenset()
        if one.arriving is None:
            there = (one.available - message.gone) | message.available
        else:
            there = one.arriving | message.available
            one.arriving = there if message.more else None
            if message.more:
                return
        told = [
            presence_frames.legacy_presence(name, available=False) for name in sorted(one.available - there)
        ]
        told += [
            presence_frames.legacy_presence(name, available=True) for name in sorted(there - one.available)
        ]
        one.available = there
        await self._put(socket, told)

    @staticmethod
    async def _put(socket: Socket, told: Sequence[str]) -> None:
        """Sends as the peer reads: nothing of ours fills up the socket's queue."""
        for start in range(0, len(told), BURST):
            for text in told[start : start + BURST]:
                socket.send(text)
            while socket.open and socket.sending:
                await socket.flushed()

    async def _choose(self, socket: Socket, frame: SetStatus) -> None:
        grant, now = socket.grant, self._clock().timestamp()
        try:
            async with asyncio.timeout(STORE_SECONDS):
                version = await asyncio.wrap_future(
                    self._store.choose(grant.account_sid, grant.identity, frame.status, frame.note, now)
                )
        except StatusUnknown:
            socket.send(frames.error(31100, f"there is no status {frame.status!r}"))
        except (DatabaseOverloaded, OperationalError, TimeoutError, CallerFault) as error:
            log.warning("a status was not stored", error=str(error))
            socket.send(frames.error(31000, "the status could not be stored; try again"))
        else:
            socket.send(presence_frames.own_status(frame.status, frame.note, version))

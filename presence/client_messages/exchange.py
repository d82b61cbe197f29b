"""Messages at this node: what clients say about them, and what happens by itself."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy.exc import OperationalError

from foundation.clock import Clock
from foundation.db import DatabaseOverloaded
from presence.access.refusals import AccessRefused, Refusal
from presence.access.tokens import Grant
from presence.client_messages import frames as text_frames
from presence.client_messages.frames import AckText, Capabilities, SendText, TextFrame
from presence.client_messages.inboxes import Inboxes, Listener, Shown
from presence.client_messages.outgoing import Sending
from presence.client_messages.reports import Reports
from presence.client_messages.store import Identity, TextStore
from presence.client_messages.text import MMS, SMS
from presence.faults import Absent
from presence.nodes import Nodes
from presence.router_link import RouterAnswer, RouterLink, RouterUnreachable
from presence.signalling import frames
from presence.signalling.lanes import Lanes
from presence.signalling.roster import Roster
from presence.signalling.socket import Socket
from presence.signalling.teller import Teller
from presence.store import NotRegistered, Store

if TYPE_CHECKING:
    from presence.client_messages.stream import MessageStream as Streams

log = structlog.get_logger(__name__)

ROUND = 1.0
STORE_SECONDS = 5.0
RECENT = 10.0
"""Seconds back from now for which arrivals at other nodes are looked for each round."""


class Exchange:
    """All of it belongs to the event loop."""

    def __init__(
        self,
        store: Store,
        roster: Roster,
        lanes: Lanes,
        teller: Teller,
        link: RouterLink,
        clock: Clock,
        nodes: Nodes,
    ) -> None:
        self._store, self._roster, self._lanes, self._teller = store, roster, lanes, teller
        self._clock, self._nodes = clock, nodes
        self._texts = TextStore(store.database)
        self.inboxes = Inboxes(self._texts, self._now)
        self._reports = Reports(self._texts, link, self._now)
        self._listening: dict[Socket, Listener] = {}
        self._background: set[asyncio.Task[None]] = set()
        self._ended = asyncio.Event()
        self.streams: Streams | None = None

    # What clients say

    def perform(self, socket: Socket, frame: TextFrame) -> None:
        """Acts on a frame; the token permits it."""
        if isinstance(frame, Capabilities):
            self._keep(self._take(socket, frame.capabilities))
        elif isinstance(frame, AckText):
            self._keep(self._acknowledge(socket, frame.sid))
        else:
            self._send(socket, frame)

    def forget(self, socket: Socket) -> None:
        """The socket is gone."""
        listener = self._listening.pop(socket, None)
        if listener is not None:
            self.inboxes.leave(listener)

    async def send(self, whose: Identity, endpoint_id: str, sending: Sending) -> RouterAnswer:
        """Hands a client's message to the router; RouterUnreachable."""
        return await self._teller.tell("text", *whose, endpoint_id, **sending.event())

    def end_where(self, refusal: Refusal, gone: Callable[[Grant], bool]) -> None:
        """The grants that match are over, and their streams with them (PR-7)."""
        if self.streams is not None:
            self.streams.end_where(refusal, gone)

    # What the API says

    def arrived(self, account_sid: str, client: str) -> None:
        self.inboxes.arrived((account_sid, client))

    def acknowledged(self, account_sid: str, client: str, endpoint_id: str) -> None:
        """A device has acknowledged a message over HTTP; that is stored."""
        self.inboxes.acknowledged((account_sid, client), endpoint_id)
        self._ended.set()

    # What happens by itself

    async def run_forever(self) -> None:
        """Tells the router of what ended, at once or when it is back; once a second, ends what is late and finds what
        nobody has told of. Both go on when the database comes back."""
        await asyncio.gather(self._report_forever(), self._look_forever())

    async def _report_forever(self) -> None:
        while True:
            self._ended.clear()
            try:
                await self._reports.tell()
            except Exception as error:
                log.warning("the router was not told of messages; it is tried again", error=repr(error))
                await asyncio.sleep(ROUND)
            with suppress(TimeoutError):
                async with asyncio.timeout(ROUND):
                    await self._ended.wait()

    async def _look_forever(self) -> None:
        while True:
            await asyncio.sleep(ROUND)
            await self._round()

    async def _round(self) -> None:
        now = self._now()
        try:
            await asyncio.to_thread(self._texts.sweep, now)
            if self._nodes.shared and self.inboxes.listeners:
                for identity in await asyncio.to_thread(self._texts.arrived, now - RECENT):
                    self.inboxes.arrived(identity)
            self.inboxes.look_again()
        except Exception as error:
            log.warning("messages were not looked after; the next round follows", error=repr(error))

    # Inside

    async def _take(self, socket: Socket, capabilities: tuple[str, ...]) -> None:
        device = self._roster.of(socket)
        if device is None:
            socket.send(frames.error(31100, "register before you say what the device takes"))
            return
        one = device.endpoint
        changing = self._store.change(
            one.account_sid, one.client, one.sid, self._now(), fields={"capabilities": capabilities}
        )
        try:
            async with asyncio.timeout(STORE_SECONDS):
                await asyncio.wrap_future(changing)
        except NotRegistered:
            socket.send(frames.error(31100, "the device is not registered any more"))
            return
        except AccessRefused as refused:
            socket.send(frames.error(refused.codes.signal, refused.message))
            return
        except (DatabaseOverloaded, OperationalError, TimeoutError) as error:
            log.warning("capabilities were not stored", error=str(error))
            socket.send(frames.error(31000, "the capabilities could not be stored; try again"))
            return
        self.forget(socket)
        if not socket.open:
            return
        socket.send(text_frames.capabilities(capabilities))
        if {SMS, MMS} & set(capabilities):

            async def take(shown: Sequence[Shown]) -> None:
                for message in shown:
                    socket.send(text_frames.text(message))

            self._listening[socket] = self.inboxes.listen(
                (one.account_sid, one.client), socket.endpoint_id, take
            )

    async def _acknowledge(self, socket: Socket, sid: str) -> None:
        whose = (socket.grant.account_sid, socket.grant.identity)
        storing = self._texts.acknowledge(*whose, sid, socket.endpoint_id, self._now())
        try:
            async with asyncio.timeout(STORE_SECONDS):
                await asyncio.wrap_future(storing)
        except Absent:
            socket.send(frames.error(31404, "there is no such message", id=sid))
        except (DatabaseOverloaded, OperationalError, TimeoutError) as error:
            log.warning("an acknowledgement was not stored; the device gets it again", error=str(error))
        else:
            self.acknowledged(*whose, socket.endpoint_id)

    def _send(self, socket: Socket, frame: SendText) -> None:
        whose = (socket.grant.account_sid, socket.grant.identity)
        sending = frame.sending

        async def work() -> None:
            try:
                answer = await self.send(whose, socket.endpoint_id, sending)
            except RouterUnreachable:
                socket.send(
                    frames.error(31003, "the message was not taken in time; try again", id=sending.id)
                )
                return
            if answer.ok:
                sid, status = str(answer.body.get("message_sid")), str(answer.body.get("status"))
                socket.send(text_frames.text_sent(sending.id, sid, status))
            else:
                socket.send(frames.error(answer.code(31005), answer.message, id=sending.id))

        if not self._lanes.put(":".join(("text", *whose)), work):
            socket.send(frames.error(31206, "too many messages of one client wait", id=sending.id))

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    def _now(self) -> float:
        return self._clock().timestamp()

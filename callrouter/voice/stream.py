"""One media stream of a leg: opened, fed, heard, and ended once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from typing import Any, Protocol

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from . import stream_messages as messages
from .contract import EventType
from .legs.leg import Leg
from .media.ticker import Ticker
from .stream_messages import Clear, Mark, Media, MessageFault, StreamOrder
from .stream_outlet import Outlet, OutletFull
from .stream_player import Player, PlayerFull
from .stream_socket import FAULT, Door, StreamFault, ending
from .stream_track import Track

log = logging.getLogger(__name__)

BEHIND, DISCARDED = 31930, 31931
LINGER = 2.0
"""Seconds in which an app gets what is on its way to it when its stream has ended."""

_BURST, _BREATH = 50, 0.01
"""After so many messages of an app, or 16 kB each, other legs have their turn for so many seconds."""


class Cause(StrEnum):
    """Why a stream ended."""

    STOPPED = "stopped"
    HANGUP = "hangup"
    CLOSED = "closed"
    FAILED = "failed"


class Report(Protocol):
    """How a stream tells of itself."""

    def __call__(self, type: EventType, **data: Any) -> None: ...


class Stream:
    """`ended` is called when the last thing is reported; what `begin` gives is done soon after."""

    def __init__(
        self,
        order: StreamOrder,
        leg: Leg,
        *,
        door: Door,
        ticker: Ticker,
        report: Report,
        ended: Callable[[Stream], None],
    ) -> None:
        self.order = order
        self.leg = leg
        self.cause: Cause | None = None
        self._task: asyncio.Task[None] | None = None
        self._door = door
        self._ticker = ticker
        self._report = report
        self._ended = ended
        self._over = asyncio.Event()
        self._outlet: Outlet | None = None
        self._tracks: tuple[Track, ...] = ()
        self._player = Player(leg.begin, lambda name: self._send(messages.mark(name)))
        self._warned: set[int] = set()

    @property
    def dropped(self) -> int:
        """Chunks that the app never got, because it was too slow."""
        return self._outlet.dropped if self._outlet else 0

    def begin(self) -> asyncio.Task[None]:
        """Open it in the background."""
        self._task = asyncio.get_running_loop().create_task(self._run())
        return self._task

    def end(self, cause: Cause, code: int = 0, message: str = "") -> None:
        """The first cause counts."""
        if self.cause is not None:
            return
        self.cause = cause
        if self._outlet is not None:
            with suppress(OutletFull):
                self._outlet.send(messages.stop(self.order))
        self._detach()
        self._over.set()
        fault = {"code": code, "message": message} if cause is Cause.FAILED else {}
        if fault:
            log.warning("stream %s of leg %s failed: %s", self.order.stream, self.leg.id, message)
        self._report(EventType.STREAM_DONE, cause=cause, **fault)
        self._ended(self)
        if self._outlet is None and self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()

    def pressed(self, digit: str) -> None:
        """A key of the far end's; only apps that can answer are told."""
        if self.order.bidirectional:
            self._send(messages.dtmf(digit))

    def tick(self, now: float) -> None:
        """20 ms have passed."""
        for track in self._tracks:
            track.tick(now)
        if self._outlet is not None:
            self._outlet.flush()

    # -- the socket's life ------------------------------------------------------

    async def _run(self) -> None:
        try:
            socket = await self._door.open(self.order.url, self.order.headers)
            try:
                await self._live(socket)
            finally:
                socket.transport.abort()
        except StreamFault as fault:
            self.end(Cause.FAILED, fault.code, str(fault))
        except Exception:  # our fault: a router that waits must hear of it all the same
            log.exception("stream %s of leg %s broke", self.order.stream, self.leg.id)
            self.end(Cause.FAILED, FAULT, "The voice node failed; its log has the reason.")

    async def _live(self, socket: ClientConnection) -> None:
        """Until the app closes the socket or breaks it, or `end` is called."""
        self._outlet = outlet = Outlet(socket, self.order.stream, len(self.order.tracks))
        self._attach()
        reading = asyncio.create_task(self._read(socket))
        over = asyncio.create_task(self._over.wait())
        try:
            await asyncio.wait((reading, over), return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                reading.result()
                self.end(Cause.CLOSED)
            else:
                with suppress(TimeoutError):
                    async with asyncio.timeout(LINGER):
                        await outlet.close()
        finally:
            reading.cancel()
            over.cancel()
            await asyncio.gather(reading, over, return_exceptions=True)

    async def _read(self, socket: ClientConnection) -> None:
        """Returns when the app has closed the stream. Raises `StreamFault`."""
        taken = 0
        while True:
            try:
                message = await socket.recv()
            except ConnectionClosed as closed:
                fault = ending(closed, self._door.silence)
                if fault is not None:
                    raise fault from None
                return
            self._hear(message)
            taken += 1 + len(message) // 16_384
            if taken >= _BURST:
                taken = 0
                await asyncio.sleep(_BREATH)

    def _attach(self) -> None:
        self._send(messages.start(self.order))
        now = asyncio.get_running_loop().time()
        self._tracks = tuple(Track(name, now, self._chunk) for name in self.order.tracks)
        for track in self._tracks:
            if track.name == "inbound":
                self.leg.listeners = (*self.leg.listeners, track)
            else:
                self.leg.hearers = (*self.leg.hearers, track)
        self._ticker.add(self)
        self._report(EventType.STREAM_UP)

    def _detach(self) -> None:
        self._ticker.discard(self)
        self.leg.listeners = tuple(each for each in self.leg.listeners if each not in self._tracks)
        self.leg.hearers = tuple(each for each in self.leg.hearers if each not in self._tracks)
        self._tracks = ()
        if self.order.bidirectional:
            self.leg.stop("stopped", kind="stream")

    # -- to the app, and from it ------------------------------------------------

    def _chunk(self, track: str, number: int, milliseconds: int, audio: bytes) -> None:
        self._send(messages.media(track, number, milliseconds, audio))
        if self.dropped:
            self._warn(BEHIND, "The app reads too slowly: audio for it was dropped, the oldest first.")

    def _send(self, message: messages.Outgoing) -> None:
        if self._outlet is None or self.cause is not None:
            return
        try:
            self._outlet.send(message)
        except OutletFull as fault:
            self.end(Cause.FAILED, BEHIND, f"The stream was given up: {fault}.")

    def _hear(self, message: str | bytes) -> None:
        if self.cause is not None:
            return
        try:
            said = messages.decode(message, self.order.stream)
            if not self.order.bidirectional:
                raise MessageFault(messages.INVALID, "The app sent a message to a stream that only listens.")
            match said:
                case Media(audio=audio):
                    self._player.play(audio)
                case Mark(name=name):
                    self._player.mark(name)
                case Clear():
                    self._player.clear()
        except MessageFault as fault:
            self._warn(fault.code, str(fault))
        except PlayerFull as fault:
            self._warn(DISCARDED, f"What the app sent was discarded: {fault}.")

    def _warn(self, code: int, message: str) -> None:
        """Once for each code: an app that is wrong is wrong often."""
        if self.cause is None and code not in self._warned:
            self._warned.add(code)
            log.warning("stream %s of leg %s: %s", self.order.stream, self.leg.id, message)
            self._report(EventType.STREAM_WARNING, code=code, message=message)

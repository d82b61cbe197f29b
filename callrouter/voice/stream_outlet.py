"""Messages on their way to an app: numbered, in order, and never more of them than an app may be behind."""

from __future__ import annotations

import asyncio
from collections import deque

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.connection import broadcast

from .stream_messages import CONNECTED, Outgoing

_BEHIND = 250
"""Messages with audio of one track that may wait: five seconds."""
_MAX_OTHERS = 2000  # messages that are not audio: an app that reads gets a mark back before it sends so many
_UNSENT = 16_384  # bytes that the socket may hold back, about a second of one track
_POLL = 0.02  # seconds


class OutletFull(Exception):
    """The app takes none of what it must not lose."""


class Outlet:
    """Nothing here waits for the app: what its socket does not take now is tried again at each `flush`.

    Of audio that cannot be sent the oldest is dropped; an app sees a gap in the chunks' numbers.
    """

    def __init__(self, socket: ClientConnection, stream: str, tracks: int) -> None:
        self._socket = socket
        self._stream = stream
        self._limit = _BEHIND * tracks
        self._waiting: deque[Outgoing] = deque()
        self._audio = 0  # of those that wait
        self._number = 0
        self.dropped = 0
        """Chunks that the app never got."""
        broadcast([socket], CONNECTED)

    def send(self, message: Outgoing) -> None:
        """Raises `OutletFull`."""
        self._waiting.append(message)
        self._audio += message.event == "media"
        self.flush()
        if self._audio > self._limit:
            self._drop()
        if len(self._waiting) - self._audio > _MAX_OTHERS:
            raise OutletFull(f"the app left more than {_MAX_OTHERS} messages unread")

    def flush(self) -> None:
        """Send what the socket takes."""
        transport = self._socket.transport
        while self._waiting and transport.get_write_buffer_size() < _UNSENT:
            message = self._waiting.popleft()
            self._audio -= message.event == "media"
            self._number += 1
            # `send` of the socket is a coroutine and four times as dear; this is its way without waiting.
            broadcast([self._socket], message.text(self._stream, self._number))

    async def close(self) -> None:
        """Send the rest, and say goodbye; as long as that takes."""
        while self._waiting:
            self.flush()
            await asyncio.sleep(_POLL)
        await self._socket.close()

    def _drop(self) -> None:
        oldest = next(place for place, message in enumerate(self._waiting) if message.event == "media")
        del self._waiting[oldest]
        self._audio -= 1
        self.dropped += 1

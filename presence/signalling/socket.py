"""One client's WebSocket for the rest of signalling: frames go out in order, nobody waits for a slow reader."""

import asyncio
from collections import deque
from typing import TYPE_CHECKING

import structlog

from foundation.webserver.bridge import Send
from presence.access.tokens import Grant
from presence.signalling.protocol import Connection

if TYPE_CHECKING:
    from presence.signalling.call import Call

log = structlog.get_logger(__name__)

QUEUE = 64  # frames that may wait for a slow reader (reliability-security 4.14)


class Socket:
    """A bounded queue in front of a WebSocket. Beyond the bound the client counts as lost."""

    def __init__(
        self, send: Send, connection: Connection, endpoint_id: str, edge: str, address: str = ""
    ) -> None:
        self.connection = connection
        self.endpoint_id = endpoint_id
        self.edge, self.address = edge, address
        self.agent = ""
        self.grace = 0.0
        self.calls: set[Call] = set()
        self.open, self.dropped = True, False
        self.timer: asyncio.TimerHandle | None = None
        self.reader: asyncio.Task[None] | None = None
        self._raw_send = send
        self._queue: deque[dict[str, object]] = deque()
        self._writer: asyncio.Task[None] | None = None

    @property
    def grant(self) -> Grant:
        """The client's grant; only asked for after a token was verified."""
        assert self.connection.grant is not None
        return self.connection.grant

    def send(self, text: str) -> None:
        self._put({"type": "websocket.send", "text": text})

    def close(self, code: int, reason: str) -> None:
        """Closes after what is queued; the peer need not be listening any more."""
        self._put({"type": "websocket.close", "code": code, "reason": reason})
        self.open = False

    def drop(self) -> None:
        """Gives the connection up at once."""
        self.open, self.dropped = False, True
        self._queue.clear()
        for task in (self._writer, self.reader):
            if task is not None:
                task.cancel()

    @property
    def sending(self) -> bool:
        """Whether the peer has yet to take what was queued."""
        return self._writer is not None

    @property
    def behind(self) -> bool:
        """Whether the peer asks faster than it reads: it must catch up before its next frame is taken."""
        return len(self._queue) > QUEUE // 4

    async def flushed(self, timeout: float = 2.0) -> None:
        """What was queued has been sent, or the peer does not read."""
        if self._writer is not None:
            await asyncio.wait([self._writer], timeout=timeout)

    def _put(self, message: dict[str, object]) -> None:
        if not self.open:
            return
        if len(self._queue) >= QUEUE:
            log.warning("a client reads too slowly and is dropped", endpoint=self.endpoint_id)
            self.drop()
            return
        self._queue.append(message)
        if self._writer is None:
            self._writer = asyncio.create_task(self._write())

    async def _write(self) -> None:
        try:
            while self._queue:
                await self._raw_send(self._queue.popleft())
        except Exception as error:  # whatever the server raises for a connection that is gone
            log.debug("a frame was not sent", error=str(error))
            self.open = False
        finally:
            self._writer = None

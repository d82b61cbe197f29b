"""A customer's WebSocket app: it keeps what it is sent, and says what a test wants."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from callrouter.audio.ear import dominant_hz
from callrouter.voice.media.g711 import decode

Behaviour = Callable[["Session"], Awaitable[None]]


class Session:
    """One stream, as the app sees it."""

    def __init__(self, socket: ServerConnection) -> None:
        self.socket = socket
        self.messages: list[dict[str, Any]] = []
        self.over = asyncio.Event()

    @property
    def headers(self) -> Any:
        assert self.socket.request is not None
        return self.socket.request.headers

    def of(self, event: str) -> list[dict[str, Any]]:
        return [message for message in self.messages if message["event"] == event]

    @property
    def start(self) -> dict[str, Any]:
        return dict(self.of("start")[0]["start"])

    def hears(self, track: str) -> float | None:
        """The dominant frequency of a track's newest half second."""
        media = [one["media"] for one in self.of("media")]
        audio = b"".join(base64.b64decode(one["payload"]) for one in media if one["track"] == track)
        return dominant_hz(decode(audio[-4000:])) if len(audio) >= 4000 else None

    async def say(self, event: str, **body: Any) -> None:
        sid = self.of("start")[0]["streamSid"]
        await self.socket.send(json.dumps({"event": event, "streamSid": sid, **body}))


class StreamApp:
    def __init__(self, port: int, sessions: "asyncio.Queue[Session]") -> None:
        self.port = port
        self._sessions = sessions

    def url(self, path: str = "/audio") -> str:
        return f"ws://127.0.0.1:{self.port}{path}"

    async def session(self) -> Session:
        """The next stream that comes."""
        return await asyncio.wait_for(self._sessions.get(), 10)


@asynccontextmanager
async def stream_app(*, echo: bool = False, status: int | None = None) -> AsyncIterator[StreamApp]:
    """`echo`: what it hears it says; `status`: it refuses every handshake with this."""
    sessions: asyncio.Queue[Session] = asyncio.Queue()

    async def handle(socket: ServerConnection) -> None:
        session = Session(socket)
        sessions.put_nowait(session)
        try:
            async for text in socket:
                message = json.loads(text)
                session.messages.append(message)
                if echo and message["event"] == "media":
                    await session.say("media", media={"payload": message["media"]["payload"]})
        except ConnectionClosed:
            pass
        finally:
            session.over.set()

    def refuse(socket: ServerConnection, request: Any) -> Any:
        return None if status is None else socket.respond(status, "no\n")

    async with serve(handle, "127.0.0.1", 0, process_request=refuse, close_timeout=0.5) as server:
        yield StreamApp(next(iter(server.sockets)).getsockname()[1], sessions)

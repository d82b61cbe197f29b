"""An app's WebSocket server for the stream tests: it keeps what it is sent, and says what it is told to."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from test_voice_phone_leg import phone_leg
from voice_peers import Events, Phone, loudest, until, voice_node
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from callrouter.voice.client import VoiceClient
from callrouter.voice.media import g711
from callrouter.voice.node import VoiceNode

ALLOW = ("127.0.0.0/8",)
STREAM = {"stream": "MZ1", "account": "AC1", "call": "CA1", "track": "inbound"}


class Session:
    """One stream as the app sees it."""

    def __init__(self, socket: ServerConnection) -> None:
        self.socket = socket
        self.messages: list[dict[str, Any]] = []
        self.over = False

    def of(self, event: str, track: str | None = None) -> list[dict[str, Any]]:
        found = [message for message in self.messages if message["event"] == event]
        return [message for message in found if track in (None, message.get("media", {}).get("track"))]

    async def wait(self, event: str, count: int = 1, track: str | None = None) -> dict[str, Any]:
        await until(lambda: len(self.of(event, track)) >= count)
        return self.of(event, track)[count - 1]

    def audio(self, track: str = "inbound") -> bytes:
        return b"".join(base64.b64decode(message["media"]["payload"]) for message in self.of("media", track))

    async def hears(self, hertz: int, track: str = "inbound") -> None:
        """Until its newest half second is this tone."""

        def heard() -> bool:
            newest = self.audio(track)[-4000:]
            return len(newest) == 4000 and abs(loudest(g711.decode(newest)) - hertz) <= 6

        await until(heard)

    async def send(self, event: str, **body: Any) -> None:
        await self.socket.send(json.dumps({"event": event, "streamSid": "MZ1", **body}))

    async def media(self, audio: bytes) -> None:
        await self.send("media", media={"payload": base64.b64encode(audio).decode()})

    async def mark(self, name: str) -> None:
        await self.send("mark", mark={"name": name})

    def marks(self) -> list[str]:
        return [message["mark"]["name"] for message in self.of("mark")]


class App:
    def __init__(self, does: Callable[[Session], Awaitable[None]] | None = None) -> None:
        self.sessions: list[Session] = []
        self.port = 0
        self._does = does

    def url(self, scheme: str = "ws", host: str = "127.0.0.1") -> str:
        return f"{scheme}://{host}:{self.port}/stream"

    async def session(self, count: int = 1) -> Session:
        await until(lambda: len(self.sessions) >= count)
        return self.sessions[count - 1]

    async def handle(self, socket: ServerConnection) -> None:
        session = Session(socket)
        self.sessions.append(session)
        if self._does is not None:
            await self._does(session)
        try:
            async for message in socket:
                assert isinstance(message, str)
                session.messages.append(json.loads(message))
        except ConnectionClosed:
            pass
        finally:
            session.over = True


@asynccontextmanager
async def stream_app(
    does: Callable[[Session], Awaitable[None]] | None = None,
    *,
    tls: ssl.SSLContext | None = None,
    **options: Any,
) -> AsyncIterator[App]:
    """`does` is done with each stream before it is read."""
    app = App(does)
    async with serve(app.handle, "127.0.0.1", 0, ssl=tls, close_timeout=0.5, **options) as server:
        app.port = next(iter(server.sockets)).getsockname()[1]
        yield app


async def start(client: VoiceClient, app: App | str, leg: str = "A", **changes: Any) -> None:
    url = app if isinstance(app, str) else app.url()
    await client.request("stream.start", **{**STREAM, "leg": leg, "url": url, **changes})


@asynccontextmanager
async def streaming(
    does: Callable[[Session], Awaitable[None]] | None = None,
    *,
    hertz: int = 600,
    node: dict[str, Any] | None = None,
    **changes: Any,
) -> AsyncIterator[tuple[VoiceNode, VoiceClient, Events, Phone, Session]]:
    """A phone leg A whose stream is up."""
    async with (
        stream_app(does) as app,
        voice_node(outbound_allow=ALLOW, **(node or {})) as (voice, client, events),
    ):
        phone = await phone_leg(client, "A", hertz)
        await start(client, app, **changes)
        await events.wait("stream.up", "A")
        yield voice, client, events, phone, await app.session()
        phone.close()


async def over(events: Events, count: int = 1) -> dict[str, Any]:
    """How the stream ended; and that it ended once."""
    await events.wait("stream.done", count=count)
    await asyncio.sleep(0.05)  # in which a second end would be told
    assert len(events.of("stream.done")) == count
    return dict(events.of("stream.done")[count - 1].data)

"""A client phone on the line of a small signalling server of our own.

The server sends what spec and docs say a presence server sends.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from callrouter.audio.ear import Ear
from callrouter.audio.sources import Tone
from callrouter.phone import Phone
from callrouter.phone.media import Media


class FakeSignal:
    """Keeps all frames; answers `listen` and `register` by itself, everything else is the test's to do."""

    def __init__(self) -> None:
        self.frames: list[tuple[str, dict[str, Any]]] = []
        self.newlines = 0
        self.socket: ServerConnection | None = None
        self.sockets = 0
        self.listen_error: int | None = None
        self.ttl: float | None = 3600
        self.server: Server

    @property
    def url(self) -> str:
        port = self.server.sockets[0].getsockname()[1]
        return f"ws://127.0.0.1:{port}/signal"

    async def serve(self, socket: ServerConnection) -> None:
        self.socket, self.sockets = socket, self.sockets + 1
        try:
            async for message in socket:
                if message == "\n":
                    self.newlines += 1
                    continue
                frame = json.loads(message)
                self.frames.append((frame["type"], frame["payload"]))
                await self.answer(frame["type"], frame["payload"])
        except ConnectionClosed:
            pass

    async def answer(self, type: str, payload: dict[str, Any]) -> None:
        if type == "listen" and self.listen_error:
            await self.send("error", error={"code": self.listen_error, "message": "no"})
            await self.send("close")
        elif type == "listen":
            await self.send("connected", token={"identity": "alice", "ttl": self.ttl}, edge="local")
        elif type == "register":
            await self.send("ready" if payload["media"]["audio"] else "offline")

    async def send(self, type: str, **payload: Any) -> None:
        assert self.socket
        await self.socket.send(json.dumps({"type": type, "payload": payload}))

    async def ring(self, sid: str = "CA1", **fields: Any) -> Media:
        """An incoming call whose far end says 500 Hz."""
        far = Media(Tone(hz=500), Ear(), loopback=True)
        parameters = {"CallSid": sid, "From": "+15550100", "Params": "order=42&note=a+b"}
        offer = await full_sdp(far)
        await self.send(
            "invite", callsid=sid, sdp=offer, parameters=parameters, reconnect="token-1", **fields
        )
        return far

    def count(self, type: str) -> int:
        return sum(kind == type for kind, _ in self.frames)

    async def frame(self, type: str, number: int = 1) -> dict[str, Any]:
        """The payload of the n-th frame of a type, waiting for it."""
        await eventually(lambda: self.count(type) >= number)
        return [payload for kind, payload in self.frames if kind == type][number - 1]


async def full_sdp(media: Media) -> str:
    """A server's offer: with candidates, as opposed to a phone's."""
    await media.offer()
    return str(media._peer.localDescription.sdp)


async def eventually(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def line(**options: Any) -> AsyncIterator[tuple[FakeSignal, Phone]]:
    """A fake server and a phone that says 700 Hz."""
    signal = FakeSignal()
    async with asyncio.timeout(40), serve(signal.serve, "127.0.0.1", 0) as signal.server:
        options = {"source": Tone(hz=700), "rng": random.Random(1), **options}
        async with Phone(signal.url, "a-token", **options) as phone:
            yield signal, phone

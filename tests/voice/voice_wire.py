"""A router by hand, on the node's control port."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from voice_peers import opened

from callrouter.voice.node import VoiceNode


class Wire:
    """A router by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, node: VoiceNode, **hello: str) -> Wire:
        wire = cls(*await asyncio.open_connection(*node.control_address))
        opened.append(wire.writer)
        if hello:
            wire.send({"type": "hello", **hello})
        return wire

    def send(self, body: dict[str, Any] | bytes) -> None:
        self.writer.write(body if isinstance(body, bytes) else json.dumps(body).encode() + b"\n")

    async def line(self) -> dict[str, Any] | None:
        async with asyncio.timeout(5):
            line = await self.reader.readline()
        return json.loads(line) if line else None

    async def reply(self) -> dict[str, Any]:
        while "event" in (body := await self.line() or {}):
            pass
        return body

    async def ended(self) -> bool:
        line = await self.line()
        self.writer.close()
        return line is None


def error_code(body: dict[str, Any] | None) -> str:
    assert body is not None
    return str(body["error"]["code"])

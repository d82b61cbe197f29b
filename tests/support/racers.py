"""Many requests in the same instant: each on a connection of its own that is open already, so that nothing but the
server puts them in order."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

SECONDS = 30.0

Answer = tuple[int, Any]
"""Status and JSON; None where there is no body."""


def request(method: str, path: str, headers: Mapping[str, str], body: object) -> bytes:
    """The bytes of a request, so that none are made between the starting shot and the race."""
    content = json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "Host: race", "Content-Type: application/json"]
    lines.append(f"Content-Length: {len(content)}")
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "\r\n"]).encode() + content


@dataclass
class Racers:
    """Connections to one server. Use it as an async context manager."""

    base: str
    count: int
    _open: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = field(default_factory=list)

    async def __aenter__(self) -> "Racers":
        return self

    async def __aexit__(self, *_: object) -> None:
        for _reader, writer in self._open:
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for _, writer in self._open), return_exceptions=True)

    async def race(self, requests: Sequence[bytes]) -> list[Answer]:
        """Sends all of them at once; answers in the order of the requests."""
        assert len(requests) == self.count
        where = urlsplit(self.base)
        self._open = [
            pair for pair in self._open if not (pair[0].at_eof() or pair[1].is_closing())
        ]  # the server ends connections that were idle for long
        missing = range(self.count - len(self._open))
        self._open += await asyncio.gather(
            *(asyncio.open_connection(where.hostname, where.port) for _ in missing)
        )
        for (_, writer), content in zip(self._open, requests, strict=True):
            writer.write(content)
        async with asyncio.timeout(SECONDS):
            return list(await asyncio.gather(*(_answer(reader) for reader, _ in self._open)))


async def _answer(reader: asyncio.StreamReader) -> Answer:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in head[1:] if ": " in line)
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return int(head[0].split(" ")[1]), json.loads(body) if body else None

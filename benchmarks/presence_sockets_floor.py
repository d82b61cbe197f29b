"""The floors of `presence_sockets.py`: the same sockets on the same web server, and nothing behind them.

`run_echo`: an ASGI app that answers `listen` and `register`, sends heartbeats, and rings a socket when it is told to by
HTTP; it verifies, stores and decides nothing. `run_tcp`: bare connections that are written to when one asks for it.
"""

import asyncio
import logging
from typing import Any

from foundation.webserver.serve import Listener, serve

BEAT = 8.0
CONNECTED, READY = '{"type":"connected","payload":{}}', '{"type":"ready","payload":{}}'


class Echo:
    """Sockets by their number, in the order in which they came."""

    def __init__(self) -> None:
        self._sends: list[Any] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await self._socket(receive, send)
            return
        parts = scope["path"].split("/")
        if parts[1] == "ring":
            text = f'{{"type":"invite","payload":{{"callsid":"{parts[3]}"}}}}'
            await self._sends[int(parts[2])]({"type": "websocket.send", "text": text})
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"{}"})

    async def _socket(self, receive: Any, send: Any) -> None:
        loop = asyncio.get_running_loop()

        def beat() -> None:
            nonlocal timer
            beating.add(task := loop.create_task(send({"type": "websocket.send", "text": "\n"})))
            task.add_done_callback(beating.discard)
            timer = loop.call_later(BEAT, beat)

        await receive()
        await send({"type": "websocket.accept"})
        self._sends.append(send)
        beating: set[asyncio.Task[None]] = set()
        timer = loop.call_later(BEAT, beat)
        while (got := await receive())["type"] != "websocket.disconnect":
            if got["text"].startswith('{"type": "listen"'):
                await send({"type": "websocket.send", "text": CONNECTED})
            elif got["text"] != "\n":
                await send({"type": "websocket.send", "text": READY})
        timer.cancel()


def run_echo(port: int) -> None:
    logging.disable()
    asyncio.run(serve(Echo(), [Listener(bind=f"127.0.0.1:{port}")], asyncio.Event()))


def run_tcp(port: int) -> None:
    """A connection whose first line is `watch` gets what any other connection sends."""
    watchers: list[asyncio.StreamWriter] = []

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = await reader.readline()
        if line == b"watch\n":
            watchers.append(writer)
            writer.write(b"welcome\n")
            await reader.read()
            return
        for watcher in watchers:
            watcher.write(line)

    async def main() -> None:
        server = await asyncio.start_server(serve_one, "127.0.0.1", port, backlog=1024)
        await server.serve_forever()

    asyncio.run(main())

"""Starts our asyncio web server inside our own `main()`, and stops it gently.

uvicorn with httptools on the stock loop: its p99 at 500 connections was 8 to 20 times better than uvloop's.
Compression of WebSocket messages stays off: it costs 35 to 90 kB a socket and invites bombs.
"""

import asyncio
import contextlib
import os
import signal
import socket
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import uvicorn

from foundation.settings import address
from foundation.webserver.protocol import HttpProtocol

FRAME_LIMIT = 64 * 1024
DRAIN_SECONDS = 10
KEEP_ALIVE_SECONDS = 75
BACKLOG = 2048
EXIT_AT_ONCE = 130


@dataclass(frozen=True, kw_only=True)
class Listener:
    """An address to serve on; port 0 takes a free one. With a certificate: TLS 1.2 or later."""

    bind: str
    certificate: str = ""
    key: str = ""

    def open(self) -> socket.socket:
        host, port = address(self.bind)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        # Named TCP, because asyncio sets TCP_NODELAY on those only: without it an answer's body waits 40 ms for the
        # acknowledgement of its head.
        opened = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            opened.bind((host, port))
            opened.listen(BACKLOG)  # bound alone, it may be another program's to listen on
        except OSError as error:
            opened.close()
            raise AddressTaken(f"cannot listen on {self.bind}: {error.strerror}") from error
        return opened


class AddressTaken(Exception):
    """An address in the settings is in use or is not this machine's."""


class CertificateUnusable(OSError):
    """The operator's certificate and key cannot be read, or do not belong together."""


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # signals belong to the process's main(), not to one of its servers


async def serve(
    app: Any,
    listeners: Sequence[Listener],
    stop: asyncio.Event,
    sockets: Sequence[socket.socket] = (),
) -> None:
    """Serves the ASGI app on every listener until `stop` is set; open requests get DRAIN_SECONDS.

    `sockets`: of the listeners, when they are open already.
    """
    with contextlib.ExitStack() as undo:
        pairs = []
        for listener, ready in zip_longest(listeners, sockets):
            opened = undo.enter_context(ready or listener.open())
            pairs.append((_Server(_config(app, listener)), opened))
        undo.pop_all()  # from here on uvicorn closes them
    tasks = [asyncio.create_task(server.serve(sockets=[opened])) for server, opened in pairs]
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([*tasks, stopping], return_when=asyncio.FIRST_COMPLETED)
    for server, _ in pairs:
        server.should_exit = True
    stopping.cancel()
    await asyncio.gather(*tasks)


def stop_on_signals() -> asyncio.Event:
    """An event that SIGTERM or SIGINT sets; call it on the running loop.

    A second one ends the process at once: what was acknowledged is stored, so that is safe at any moment.
    """
    stop = asyncio.Event()

    def heed() -> None:
        if stop.is_set():
            os._exit(EXIT_AT_ONCE)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, heed)
    return stop


def _config(app: Any, listener: Listener) -> uvicorn.Config:
    config = uvicorn.Config(
        app,
        http=HttpProtocol,
        ws="websockets-sansio",
        ws_max_size=FRAME_LIMIT,
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        ssl_certfile=listener.certificate or None,
        ssl_keyfile=listener.key or None,
    )
    try:
        config.load()
    except OSError as error:
        raise CertificateUnusable(
            f"cannot serve TLS with {listener.certificate} and {listener.key}: {error.strerror or error}"
        ) from error
    if config.ssl is not None:
        config.ssl.minimum_version = ssl.TLSVersion.TLSv1_2
    return config

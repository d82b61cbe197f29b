"""A scripted HTTP origin on 127.0.0.1 that misbehaves on demand.

    with Origin({"/voice": reply(body=b"<Response/>"), "/slow": [HANG]}) as origin:
        fetch(origin.url("/voice"))
    assert origin.received[0].form["CallSid"] == "CA1"

A script is a sequence of steps: bytes are sent, a number is a silence in seconds, CLOSE and RESET end the
connection, DIE ends it and nobody listens any more. A path's value is a script or a function from the request to one.
After its script the connection waits for the next request. Closing the origin ends every silence at once.
"""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO, Self
from urllib.parse import parse_qsl

CLOSE = "close"
RESET = "reset"
DIE = "die"
HANG = 3600.0

Step = bytes | float | str
Script = Iterable[Step]


@dataclass(frozen=True, kw_only=True)
class Received:
    """One request as it arrived. Header names are in lower case; `connection` counts from 1."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    connection: int

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]


Answer = Script | Callable[[Received], Script]


def reply(status: int = 200, body: bytes = b"", *lines: str, length: int | None = None) -> list[Step]:
    """A complete answer with further header lines; `length` is a wrong Content-Length."""
    size = len(body) if length is None else length
    head = [f"HTTP/1.1 {status} Scripted", "Content-Type: text/xml", f"Content-Length: {size}", *lines]
    return ["\r\n".join([*head, "", ""]).encode() + body]


def redirect(location: str, status: int = 302, *lines: str) -> list[Step]:
    return reply(status, b"", f"Location: {location}", *lines)


def drip(data: bytes, every: float = 0.02) -> Iterator[Step]:
    """One byte at a time."""
    for byte in data:
        yield bytes([byte])
        yield every


def endless(head: bytes, piece: bytes = b"x" * 65536) -> Iterator[Step]:
    """A head and a body without end."""
    yield head
    while True:
        yield piece


class Origin:
    """Answers by path; a path without an answer gets a 404. `tls` makes it an https origin."""

    def __init__(
        self,
        answers: Mapping[str, Answer] | Callable[[Received], Script],
        *,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._answers = answers
        self._tls = tls
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._connections: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port: int = self._listener.getsockname()[1]
        self.received: list[Received] = []
        self._start(self._accept)

    def url(self, path: str = "/", host: str = "127.0.0.1") -> str:
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}{path}"

    @property
    def connections(self) -> int:
        """How many connections were opened so far."""
        return len(self._connections)

    def paths(self) -> list[str]:
        return [request.path for request in self.received]

    def close(self) -> None:
        self._stop.set()
        self._listen_no_more()
        with self._lock:
            connections, threads = list(self._connections), list(self._threads)
        for connection in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(5)
        for connection in connections:
            connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _listen_no_more(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        with self._lock:
            self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._stop.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._connections.append(connection)
                number = len(self._connections)
            self._start(self._serve, connection, number)

    def _serve(self, connection: socket.socket, number: int) -> None:
        # Whatever the client does to the connection is the client's business: tests look at the client.
        with suppress(OSError, ValueError):
            if self._tls is not None:
                connection.settimeout(5)
                connection = self._tls.wrap_socket(connection, server_side=True)
                connection.settimeout(None)
                with self._lock:
                    self._connections[number - 1] = connection
            with connection.makefile("rb") as stream:
                while (request := _read(stream, number)) is not None:
                    with self._lock:
                        self.received.append(request)
                    if not self._play(connection, self._script(request)):
                        break
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()

    def _script(self, request: Received) -> Script:
        answer = self._answers if callable(self._answers) else self._answers.get(request.path, reply(404))
        return answer(request) if callable(answer) else answer

    def _play(self, connection: socket.socket, script: Script) -> bool:
        """Whether the connection stays open for another request."""
        for step in script:
            if self._stop.is_set():
                return False
            if isinstance(step, bytes):
                connection.sendall(step)
            elif isinstance(step, str):
                if step == RESET:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    connection.close()
                if step == DIE:
                    self._listen_no_more()
                return False
            else:
                self._stop.wait(step)
        return True


def _read(stream: BinaryIO, number: int) -> Received | None:
    """The next request; None when there is none, or its sender died within it."""
    line = stream.readline().decode("latin-1").split()
    if len(line) != 3:
        return None
    headers: dict[str, str] = {}
    while header := (whole := stream.readline().decode("latin-1")).strip():
        name, _, value = header.partition(":")
        headers[name.lower()] = value.strip()
    length = int(headers.get("content-length", "0"))
    body = stream.read(length)
    if not whole or len(body) < length:
        return None
    return Received(method=line[0], target=line[1], headers=headers, body=body, connection=number)

"""A web server of ours on a thread of its own, and a client that sends exactly the bytes it is given."""

import asyncio
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self

from flask import Flask, request

from foundation.webserver.bridge import WsgiBridge
from foundation.webserver.errors import ApiError, handle_errors
from foundation.webserver.serve import Listener, serve

SECONDS = 15


@dataclass(frozen=True, kw_only=True)
class Recorded(Listener):
    """A listener on a free port that tells which one it got."""

    bind: str = "127.0.0.1:0"
    ports: list[int] = field(default_factory=list)

    def open(self) -> socket.socket:
        opened = super().open()
        opened.listen(100)  # so that a client may connect before the loop accepts
        self.ports.append(opened.getsockname()[1])
        return opened


class Served:
    """`with Served(app) as server:` serves an ASGI app; `stop()` begins the graceful end."""

    def __init__(self, app: Any, *listeners: Recorded) -> None:
        self._app = app
        self.listeners: Sequence[Recorded] = listeners or [Recorded()]
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()))
        self._stop: Callable[[], object] = lambda: None
        self.fault: BaseException | None = None

    @property
    def port(self) -> int:
        return self.listeners[0].ports[0]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def _main(self) -> None:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        self._stop = lambda: loop.call_soon_threadsafe(stop.set)
        serving = asyncio.create_task(serve(self._app, self.listeners, stop))
        await asyncio.sleep(0)  # its first step opens the listeners
        self._started.set()
        try:
            await serving
        except BaseException as error:
            self.fault = error

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._started.wait(SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.join()
        if self.fault is not None:
            raise self.fault

    def stop(self) -> None:
        with suppress(RuntimeError):  # the loop has ended already
            self._stop()

    def join(self) -> None:
        self._thread.join(SECONDS)
        assert not self._thread.is_alive(), "the server did not stop"

    # -- raw bytes

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), SECONDS)

    def exchange(self, *pieces: bytes) -> bytes:
        """Sends the pieces and answers with all that comes back until the server closes."""
        with self.connect() as connection:
            with suppress(OSError):  # the server may have refused and closed already
                for piece in pieces:
                    connection.sendall(piece)
            return read_all(connection)


def read_all(connection: socket.socket) -> bytes:
    answer = b""
    with suppress(ConnectionResetError):
        while data := connection.recv(65536):
            answer += data
    return answer


class Views:
    """A Flask app that shows what reached it, and counts."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.entered, self.release = threading.Event(), threading.Event()
        app = self.app = Flask("views", static_folder=None)
        handle_errors(app)

        @app.before_request
        def count() -> None:
            self.calls.append(request.path)

        @app.route("/echo/<path:name>", methods=["GET", "POST"])
        @app.route("/echo", methods=["GET", "POST"], defaults={"name": ""})
        def echo(name: str) -> dict[str, Any]:
            return {
                "name": name,
                "query": request.query_string.decode("latin-1"),
                "length": len(request.get_data(cache=True)),
                "form": request.form.to_dict(),
                "headers": {key.lower(): value for key, value in request.headers.items()},
                "method": request.method,
                "scheme": request.scheme,
            }

        @app.get("/large")
        def large() -> bytes:
            return b"x" * 5_000_000

        @app.get("/slow")
        def slow() -> str:
            self.entered.set()
            assert self.release.wait(SECONDS)
            return "finished"

        @app.get("/bug")
        def bug() -> str:
            raise RuntimeError("a secret of ours")

        @app.get("/refused")
        def refused() -> str:
            raise ApiError(429, 20429, "Too many requests.", {"Retry-After": "7"})

    def bridge(self, **options: Any) -> WsgiBridge:
        return WsgiBridge(self.app, **options)

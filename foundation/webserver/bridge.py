"""Runs a Flask app on threads behind an asyncio server.

The whole body is read first, under a cap, so a view never meets a short or endless one; then one hop to a
thread and one response back. A streaming bridge costs twice as much per request.
"""

import asyncio
import io
import json
import sys
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import unquote_to_bytes

import structlog

from foundation.webserver.errors import error_body

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
Response = tuple[int, list[tuple[bytes, bytes]], bytes]
ShortWay = Callable[[Scope, bytes], Awaitable[Response | None]]

log = structlog.get_logger(__name__)

BODY_LIMIT = 1024 * 1024
BODY_SECONDS = 10.0
WAITING_LIMIT = 1000
"""Requests that may wait for a thread or be on one; more are answered with 503 at once."""


class WsgiBridge:
    """The ASGI face of a WSGI app. `short`: a short way past it, on the event loop; None where it has no answer."""

    def __init__(
        self,
        app: Wsgi,
        threads: int = 16,
        *,
        body_limit: int = BODY_LIMIT,
        body_seconds: float = BODY_SECONDS,
        waiting_limit: int = WAITING_LIMIT,
        short: ShortWay | None = None,
    ) -> None:
        self._app, self._short = app, short
        self._body_limit = body_limit
        self._body_seconds = body_seconds
        self._waiting_limit = waiting_limit
        self._waiting = 0
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="flask")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close"})  # before the handshake: an HTTP 403
            return
        body = await self._body(receive)
        status, headers, answer = await self._answer(scope, body) if isinstance(body, bytes) else body
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    async def _answer(self, scope: Scope, body: bytes) -> Response:
        if self._waiting >= self._waiting_limit:
            return _refusal(503, 20503, "Too many requests wait; nothing was stored. Try again.")
        self._waiting += 1
        try:
            if self._short is not None and (answer := await self._short(scope, body)) is not None:
                return answer
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._executor, self._call, scope, body)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)

    async def _body(self, receive: Receive) -> bytes | Response:
        body, size = bytearray(), 0
        try:
            async with asyncio.timeout(self._body_seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return _refusal(400, 20001, "The connection ended before the body did.")
                    chunk = message.get("body", b"")
                    size += len(chunk)
                    ended = not message.get("more_body")
                    if size <= self._body_limit:
                        body += chunk
                        if ended:
                            return bytes(body)
                    elif ended or size > 8 * self._body_limit:
                        # A client that still sends would not read our answer, so a bounded rest is thrown away.
                        return _refusal(413, 20413, f"The body is larger than {self._body_limit} bytes.")
        except TimeoutError:
            return _refusal(408, 20001, f"The body took more than {self._body_seconds:g} seconds.")

    def _call(self, scope: Scope, body: bytes) -> Response:
        head: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], _error: Any = None) -> None:
            head[:] = status, headers

        try:
            chunks = self._app(_environ(scope, body), start_response)
            try:
                answer = b"".join(chunks)
            finally:
                close = getattr(chunks, "close", None)
                if close is not None:
                    close()
            headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in head[1]]
        except Exception as error:
            log.error("the web application failed", exc_info=error)
            return _refusal(500, 20500, "An internal error occurred; it has been logged.")
        return int(head[0][:3]), headers, answer


def _refusal(status: int, code: int, message: str) -> Response:
    """An answer of the bridge itself; the connection ends with it, since nobody knows where the next request begins."""
    body = json.dumps(error_body(status, code, message)).encode()
    length = str(len(body)).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", length),
        (b"connection", b"close"),
        *([(b"retry-after", b"1")] if status == 503 else []),
    ]
    return status, headers, body


def _environ(scope: Scope, body: bytes) -> dict[str, Any]:
    server = scope.get("server") or ("localhost", 80)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        # PEP 3333: the bytes of the path, carried in a latin-1 string
        "PATH_INFO": unquote_to_bytes(scope.get("raw_path") or scope["path"]).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1]),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": (scope.get("client") or ("",))[0],
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for raw_name, raw_value in scope["headers"]:
        name = raw_name.decode("latin-1").upper().replace("-", "_")
        value = raw_value.decode("latin-1")
        if b"_" in raw_name or name in ("CONTENT_LENGTH", "TRANSFER_ENCODING"):
            continue  # an underscore would let X_Forwarded_For pass for X-Forwarded-For
        key = "CONTENT_TYPE" if name == "CONTENT_TYPE" else f"HTTP_{name}"
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    return environ

"""Runs a Flask app on threads behind an asyncio server.

The whole body is read first, under a cap, so a view never meets a short or endless one; then one hop to a
thread and one response back. A streaming bridge costs twice as much per request (spec/serving.md A1).
"""

import asyncio
import io
import sys
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import unquote_to_bytes

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
Response = tuple[int, list[tuple[bytes, bytes]], bytes]

BODY_LIMIT = 1024 * 1024
BODY_SECONDS = 10


class WsgiBridge:
    """The ASGI face of a WSGI app."""

    def __init__(self, app: Wsgi, threads: int = 16, body_limit: int = BODY_LIMIT) -> None:
        self._app = app
        self._body_limit = body_limit
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="flask")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await self._body(receive)
        if isinstance(body, bytes):
            loop = asyncio.get_running_loop()
            status, headers, answer = await loop.run_in_executor(self._executor, self._call, scope, body)
        else:
            status, headers, answer = body
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    def close(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)

    async def _body(self, receive: Receive) -> bytes | Response:
        body = bytearray()
        try:
            async with asyncio.timeout(BODY_SECONDS):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return _refusal(400, 20001, "The connection ended before the body did.")
                    body += message.get("body", b"")
                    if len(body) > self._body_limit:
                        return _refusal(413, 20413, f"The body is larger than {self._body_limit} bytes.")
                    if not message.get("more_body"):
                        return bytes(body)
        except TimeoutError:
            return _refusal(408, 20001, f"The body took more than {BODY_SECONDS} seconds.")

    def _call(self, scope: Scope, body: bytes) -> Response:
        head: list[Any] = []
        chunks = self._app(
            _environ(scope, body), lambda status, headers, _error=None: head.extend((status, headers))
        )
        try:
            answer = b"".join(chunks)
        finally:
            close = getattr(chunks, "close", None)
            if close is not None:
                close()
        headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in head[1]]
        return int(head[0][:3]), headers, answer


def _refusal(status: int, code: int, message: str) -> Response:
    body = f'{{"code": {code}, "message": "{message}", "status": {status}}}'.encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
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
        if name in ("CONTENT_LENGTH", "TRANSFER_ENCODING"):
            continue
        key = "CONTENT_TYPE" if name == "CONTENT_TYPE" else f"HTTP_{name}"
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    return environ

"""Lets pages of other origins use what clients may use (reliability-security 4.15): an ASGI app around another.

Allowed are the origins of the settings, any if they name none; never with cookies, which nothing here reads.
"""

from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any

from foundation.webserver.bridge import Receive, Scope, Send

ASGI = Callable[[Scope, Receive, Send], Awaitable[None]]

PREFLIGHT = [
    (b"access-control-allow-methods", b"GET, POST, PUT, DELETE"),
    (
        b"access-control-allow-headers",
        b"Authorization, Content-Type, If-None-Match, Last-Event-ID, Cache-Control",
    ),
    (b"access-control-max-age", b"7200"),
    (b"content-length", b"0"),
]
EXPOSED = (b"access-control-expose-headers", b"ETag, Retry-After")
VARY = (b"vary", b"Origin")


def allow_origins(app: ASGI, origins: Collection[str]) -> ASGI:
    """The app, with preflights answered and its answers marked. What carries no Origin passes untouched."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        origin = headers.get(b"origin")
        if origin is None:
            await app(scope, receive, send)
            return
        allowed = not origins or origin.decode("latin-1") in origins
        marks = [(b"access-control-allow-origin", origin), VARY] if allowed else [VARY]
        if scope["method"] == "OPTIONS" and b"access-control-request-method" in headers:
            told = [*marks, *PREFLIGHT] if allowed else [VARY, (b"content-length", b"0")]
            status = 204 if allowed else 403
            await send({"type": "http.response.start", "status": status, "headers": told})
            await send({"type": "http.response.body", "body": b""})
            return

        async def marking(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                more = [*marks, EXPOSED] if allowed else marks
                message = {**message, "headers": [*message["headers"], *more]}
            await send(message)

        await app(scope, receive, marking)

    return wrapped

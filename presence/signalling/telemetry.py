"""Takes the SDK's telemetry, so that our users' tokens and call data go to nobody else.

The SDK posts to `eventgw.<home>.twilio.com`, whatever the app says, with the `home` that `connected` names. Ours holds
a slash, which turns the rest into a path at our own host (voice-sdk-protocol 8). Posts are counted and dropped.
"""

import re

from prometheus_client import Counter

from foundation.webserver.bridge import Receive, Scope, Send

PATH = re.compile(r"/.*\.twilio\.com/v4/(EndpointEvents|EndpointMetrics)\Z")
BODY_LIMIT = 256 * 1024
POSTS = Counter("presence_telemetry_posts_total", "Telemetry posts of client SDKs", ["kind"])
HEADERS = [
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-methods", b"POST, OPTIONS"),
    (b"access-control-allow-headers", b"content-type, x-twilio-token"),
    (b"access-control-max-age", b"86400"),
    (b"content-length", b"0"),
]


def takes(scope: Scope) -> bool:
    """Whether the request is telemetry."""
    return scope["type"] == "http" and PATH.match(scope["path"]) is not None


async def sink(scope: Scope, receive: Receive, send: Send) -> None:
    status = {"OPTIONS": 204, "POST": 200}.get(scope["method"], 405)
    size, more = 0, True
    while more and size <= BODY_LIMIT:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    if size > BODY_LIMIT:
        status = 413
    if status == 200:
        found = PATH.match(scope["path"])
        POSTS.labels(found.group(1) if found else "").inc()
    await send({"type": "http.response.start", "status": status, "headers": HEADERS})
    await send({"type": "http.response.body", "body": b""})

"""Presence as HTTP answers: the bytes, and what caches may do with them (PR-29). Flask's views and the route for
look-ups share it, so that they say the same."""

import hashlib

from presence.reading.snapshots import Client

FRESH = 1
"""Seconds for which an app may look at its own copy: it changes at any time, so what counts is the ETag."""

Headers = list[tuple[str, str]]


def one(text: str, client: Client, now: float) -> tuple[bytes, Headers]:
    """A client's presence; it may be kept while nothing ends by itself."""
    ends = min(
        (end for one in client.endpoints for end in (one.expires_at, one.busy_until) if end > now),
        default=now,
    )
    body = text.encode() + b"\n"
    return body, _headers(body, f"private, max-age={min(FRESH, int(ends - now))}")


def many(text: str) -> tuple[bytes, Headers]:
    body = text.encode() + b"\n"
    return body, _headers(body, "private, no-cache")


def _headers(body: bytes, caching: str) -> Headers:
    return [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", caching),
        ("ETag", f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'),
        ("Vary", "Authorization"),
    ]

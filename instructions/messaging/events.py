"""What happened in the session of an inbound message, in the past tense."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Started:
    """The message is there, its media too: the first event."""


@dataclass(frozen=True, kw_only=True)
class DocumentFetched:
    """The answer to a Fetch: a 2xx body. `url` is the final one, the base of relative URLs."""

    fetch: str
    body: bytes
    content_type: str | None
    url: str


@dataclass(frozen=True, kw_only=True)
class DocumentFailed:
    """A Fetch failed for good; `code` is one of the 11xxx."""

    fetch: str
    code: int
    reason: str
    url: str


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A Reply was queued as the message `sid`, or could not be: then `status` is `failed`, and `sid` may be empty.

    `to` and `from_`: the addresses that it got, where they are known by now.
    """

    reply: int
    sid: str
    status: str
    error_code: int | None = None
    to: str = ""
    from_: str = ""


Event = Started | DocumentFetched | DocumentFailed | Sent

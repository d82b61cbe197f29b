"""For how long a fetched file may be served, from its headers (RFC 9111; MD-4). Pure.

The cache is apart for each account, so what is `private` to the account may be kept; it serves many callers, so
`s-maxage` goes before `max-age`. Nothing is guessed: without a lifetime in the headers the origin is asked each time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

KEPT = ("cache-control", "pragma", "expires", "date", "age", "etag", "last-modified", "vary")
LONGEST = 365 * 86_400
STALE_SECONDS = 86_400
"""For how long after its lifetime a file is still played while its origin fails, unless the origin says otherwise."""

_DIRECTIVE = re.compile(r'([a-z-]+)\s*(?:=\s*("[^"]*"|[^\s,]*))?\s*(?:,|$)')
_SECONDS = re.compile(r"[0-9]{1,12}", re.ASCII)
_NO_STALE = frozenset({"no-cache", "must-revalidate", "proxy-revalidate", "s-maxage"})

Headers = Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Freshness:
    """Seconds, counted from when the answer came."""

    store: bool
    lifetime: float
    """How long it is served without a question."""
    stale: float
    """How much longer, when the origin fails to answer."""


def relevant(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The headers that decide, names in lower case; repeated ones joined (RFC 9110, 5.2)."""
    found: dict[str, str] = {}
    for name, value in headers:
        if (name := name.lower()) in KEPT:
            found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def updated(stored: Headers, by_304: Headers) -> dict[str, str]:
    """The headers of a stored answer after a 304 (RFC 9111, 4.3.4)."""
    return {name: value for name, value in stored.items() if name not in ("age", "date")} | dict(by_304)


def judge(headers: Headers, received: float) -> Freshness:
    """`headers` as `relevant` gives them, `received` in Unix time."""
    said = _directives(headers.get("cache-control", ""))
    if "cache-control" not in headers and "no-cache" in headers.get("pragma", "").lower():
        said["no-cache"] = ["0"]
    lifetime = 0.0
    if "no-cache" not in said and headers.get("vary", "").strip() != "*":
        lifetime = max(0.0, _lifetime(said, headers, received) - _seconds(headers.get("age", "0")))
    stale = 0.0
    if headers.get("vary", "").strip() != "*" and not _NO_STALE & said.keys():
        stale = _least(said["stale-if-error"]) if "stale-if-error" in said else STALE_SECONDS
    return Freshness(store="no-store" not in said, lifetime=min(lifetime, LONGEST), stale=stale)


def _lifetime(said: Mapping[str, list[str]], headers: Headers, received: float) -> float:
    for name in ("s-maxage", "max-age"):
        if name in said:
            return _least(said[name])
    if "expires" in headers:
        began = _date(headers.get("date", "")) or received
        return (_date(headers["expires"]) or began) - began
    return 0.0


def _directives(text: str) -> dict[str, list[str]]:
    said: dict[str, list[str]] = {}
    for name, value in _DIRECTIVE.findall(text.lower()):
        said.setdefault(name, []).append(value.strip('"'))
    return said


def _least(values: list[str]) -> float:
    """Of contradicting values the shortest; what is no number has ended already."""
    return min(map(_seconds, values))


def _seconds(text: str) -> float:
    return float(text) if _SECONDS.fullmatch(text.strip()) else 0.0


def _date(text: str) -> float | None:
    try:
        parsed = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()

"""Connection overrides in the fragment of a webhook URL: `https://app.example/voice#rc=2&rp=5xx,ct&tt=4000`.

Source: Twilio's "connection overrides" page. The fragment is never sent and never signed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .errors import InvalidOverride

RETRY_WORDS = frozenset({"4xx", "5xx", "ct", "rt", "all"})
EDGES = frozenset(
    {
        *("ashburn", "dublin", "frankfurt", "sao-paulo", "singapore", "sydney", "tokyo", "umatilla"),
        *("ashburn-ix", "dublin-ix", "frankfurt-ix", "london-ix", "san-jose-ix", "singapore-ix", "sydney-ix"),
        "roaming",
    }
)
_RANGES = {"rc": (0, 5), "ct": (100, 10_000), "rt": (100, 15_000), "tt": (100, 15_000)}
_DIGITS = re.compile(r"[0-9]{1,6}", re.ASCII)


@dataclass(frozen=True, kw_only=True, slots=True)
class Overrides:
    """How one request is tried; times in milliseconds."""

    retries: int = 1
    retry_on: frozenset[str] = frozenset({"ct"})
    connect_ms: int = 5_000
    read_ms: int = 15_000
    total_ms: int = 15_000
    sni: bool = True
    edges: tuple[str, ...] = ()

    def allows(self, word: str) -> bool:
        """Whether the retry policy covers a failure of this kind ('' is one that is never tried again)."""
        return word != "" and (word in self.retry_on or "all" in self.retry_on)


DEFAULT = Overrides()


def split(url: str) -> tuple[str, Overrides]:
    """The URL without its fragment, and what the fragment asks for.

    Unknown keys (a fragment can be any text) and numbers out of range leave the default in place; numbers are
    ASCII digits. Raises InvalidOverride with 11243 for `rp` and 11240 for `e`, as Twilio does.
    """
    base, _, fragment = url.partition("#")
    if not fragment:
        return base, DEFAULT
    given = dict(part.partition("=")[::2] for part in fragment.split("&"))
    return base, Overrides(
        retries=_number(given, "rc", DEFAULT.retries),
        retry_on=frozenset(_words(given, "rp", RETRY_WORDS, 11243, "Retry policy is invalid"))
        or DEFAULT.retry_on,
        connect_ms=_number(given, "ct", DEFAULT.connect_ms),
        read_ms=_number(given, "rt", DEFAULT.read_ms),
        total_ms=_number(given, "tt", DEFAULT.total_ms),
        sni=given.get("sni") != "n",
        edges=_words(given, "e", EDGES, 11240, "Edge location is invalid"),
    )


def _number(given: dict[str, str], key: str, default: int) -> int:
    text = given.get(key, "")
    low, high = _RANGES[key]
    return int(text) if _DIGITS.fullmatch(text) and low <= int(text) <= high else default


def _words(given: dict[str, str], key: str, known: frozenset[str], code: int, reason: str) -> tuple[str, ...]:
    if key not in given:
        return ()
    words = tuple(given[key].split(","))
    if unknown := [word for word in words if word not in known]:
        raise InvalidOverride(
            code, f"{reason}: {key}={unknown[0][:40]!r} is not one of {', '.join(sorted(known))}"
        )
    return words

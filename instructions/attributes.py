"""The kinds of attribute values, and the declaration of one attribute in a verb's class body.

`timeout: int = attribute(seconds(5, 600), default=30, code=13212)` says everything: what is accepted, the
default, and the warning stored when a document gives anything else (the default is then used and the call
goes on, Twilio's rule).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import Field, dataclass, field, fields
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

from instructions.errors import SCHEMA_WARNING

T = TypeVar("T")
D = TypeVar("D")
W = TypeVar("W", bound=str)

THIS_DOCUMENT = ""
"""A relative URL that resolves to the document it stands in: the default `action` of Gather and Record."""

_DAY = 86_400
_TEXT = 4096
_BAD_IN_URL = re.compile(r"[\x00-\x20\x7f\\]")


@dataclass(frozen=True, kw_only=True)
class Kind(Generic[T]):
    """One kind of value: `read` turns the text into it or raises ValueError saying what is allowed."""

    name: str
    read: Callable[[str], T]
    example: str


@dataclass(frozen=True, kw_only=True)
class Attribute:
    """One row of Twilio's attribute table; `acts` is False when the value has no effect yet."""

    name: str
    field: str
    kind: Kind[Any]
    default: Any
    code: int
    acts: bool


def attribute(
    kind: Kind[T], *, default: D, code: int = SCHEMA_WARNING, name: str | None = None, acts: bool = True
) -> T | D:
    """Declare an attribute; `name` only where the XML name is not the field's name in camelCase."""
    row: Any = field(default=default, metadata={"kind": kind, "code": code, "name": name, "acts": acts})
    return row  # type: ignore[no-any-return]


def table(cls: type[Any]) -> tuple[Attribute, ...]:
    """The attribute table of an element class, in the order of its class body."""
    return tuple(_row(row) for row in fields(cls) if "kind" in row.metadata)


def _row(row: Field[Any]) -> Attribute:
    meta = row.metadata
    name = meta["name"] or camel_case(row.name)
    return Attribute(
        name=name,
        field=row.name,
        kind=meta["kind"],
        default=row.default,
        code=meta["code"],
        acts=meta["acts"],
    )


def camel_case(name: str) -> str:
    """`finish_on_key` → `finishOnKey`; a trailing underscore (`from_`) only dodges a Python keyword."""
    first, *rest = name.rstrip("_").split("_")
    return first + "".join(word.capitalize() for word in rest)


def _matching(name: str, pattern: str, example: str) -> Kind[str]:
    compiled = re.compile(pattern)

    def read(value: str) -> str:
        if not compiled.fullmatch(value):
            raise ValueError(f"expected {name}")
        return value

    return Kind(name=name, read=read, example=example)


def _integer(unit: str, low: int, high: int) -> Kind[int]:
    name = f"{unit}, {low} to {high}"

    def read(value: str) -> int:
        # ASCII digits only: int() alone takes full-width digits, blanks and underscores.
        if not re.fullmatch(r"[0-9]{1,9}", value) or not low <= int(value) <= high:
            raise ValueError(f"expected {name}")
        return int(value)

    return Kind(name=name, read=read, example=str(max(low, min(high, 7))))


def seconds(low: int = 1, high: int = _DAY) -> Kind[int]:
    return _integer("whole seconds", low, high)


def milliseconds(low: int, high: int) -> Kind[int]:
    return _integer("milliseconds", low, high)


def count(low: int = 1, high: int = 1000) -> Kind[int]:
    return _integer("a whole number", low, high)


def text(limit: int = _TEXT) -> Kind[str]:
    return _matching(f"at most {limit} characters", rf"(?s).{{0,{limit}}}", "text")


def choice(*words: W, name: str | None = None) -> Kind[W]:
    """One of a few words, exactly as Twilio spells them."""
    name = name or "one of " + ", ".join(words)

    def read(value: str) -> W:
        for word in words:
            if word == value:
                return word
        raise ValueError(f"expected {name}")

    return Kind(name=name, read=read, example=words[-1])


def words(*allowed: str) -> Kind[tuple[str, ...]]:
    """Words between anything but letters and hyphens: Python's helper library writes `['a', 'b']`."""
    name = "some of " + ", ".join(allowed)

    def read(value: str) -> tuple[str, ...]:
        found = tuple(dict.fromkeys(re.findall(r"[A-Za-z-]+", value)))
        if not found or not set(found) <= set(allowed):
            raise ValueError(f"expected {name}")
        return found

    return Kind(name=name, read=read, example=" ".join(allowed[-2:]))


def either(first: Kind[Any], second: Kind[Any]) -> Kind[Any]:
    name = f"{first.name}; or {second.name}"

    def read(value: str) -> Any:
        for kind in (first, second):
            try:
                return kind.read(value)
            except ValueError:
                continue
        raise ValueError(f"expected {name}")

    return Kind(name=name, read=read, example=second.example)


def sid(prefix: str) -> Kind[str]:
    return _matching(f"a {prefix}… SID", rf"{prefix}[0-9a-f]{{32}}", prefix + "0123456789abcdef" * 2)


def _url(name: str, schemes: tuple[str, ...], example: str) -> Kind[str]:
    def read(value: str) -> str:
        problem = ValueError(f"expected {name}")
        value = value.strip()
        if _BAD_IN_URL.search(value):
            raise problem
        try:
            parts = urlsplit(value)
            parts.port  # noqa: B018  reading it is the check
        except ValueError:
            raise problem from None
        if parts.scheme and (parts.scheme.lower() not in schemes or not parts.hostname):
            raise problem
        return value

    return Kind(name=name, read=read, example=example)


def _flag(value: str) -> bool:
    if value not in ("true", "false"):
        raise ValueError("expected true or false")
    return value == "true"


def _method(value: str) -> str:
    # Twilio's libraries write capitals; people write both.
    if value.upper() not in ("GET", "POST") or not value.isascii():
        raise ValueError("expected GET or POST")
    return value.upper()


def _phone(value: str) -> str:
    bare = re.sub(r"[ ().-]", "", value.strip())
    if not re.fullmatch(r"\+?[0-9]{2,15}", bare):
        raise ValueError("expected a phone number such as +15550100")
    return bare


FLAG = Kind(name="true or false", read=_flag, example="true")
METHOD = Kind(name="GET or POST", read=_method, example="GET")
URL = _url("an http or https URL, absolute or relative", ("http", "https"), "https://example.com/a?b=c")
SOCKET_URL = _url("a wss (or ws) URL, absolute or relative", ("wss", "ws"), "wss://example.com/audio")
KEY = _matching("one of 0-9 # *, or empty", r"[0-9#*]?", "*")
KEYS = _matching("keys out of 0-9 # *, or empty", r"[0-9#*]{0,12}", "12*")
SEND_DIGITS = _matching("keys out of 0-9 # *, pauses w and W, at most 32", r"[0-9#*wW]{1,32}", "wW12#")
TONES = _matching("keys out of 0-9 # * A-D and pauses w", r"[0-9A-Da-d#*wW]{1,512}", "ww12#")
LANGUAGE = _matching("a language tag such as en-US", r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}", "en-GB")
VOICE = _matching(
    "man, woman, alice, or Provider.Name", r"man|woman|alice|[A-Za-z]{2,20}\.[\w.:-]{1,100}", "alice"
)
CALLER_ID = _matching(
    "a number, client:name or SIP user of at most 256 characters without blanks at its ends",
    r"(?!\s)[^\x00-\x1f\x7f]{1,256}(?<!\s)",
    "+15550100",
)
IDENTITY = _matching(
    'a client identity: at most 256 characters without blanks, controls or <>#%"{}|\\^[]`',
    r"[^\s\x00-\x20\x7f<>#%\"{}|\\^\[\]`]{1,256}",
    "alice",
)
LABEL = _matching(
    "at most 128 characters without a /, and not a call's SID",
    r"(?s)(?!CA[0-9a-fA-F]{32}\Z)[^/]{1,128}",
    "alice",
)
PHONE = Kind(name="a phone number", read=_phone, example="+1 555-0100")
SIP_URI = _matching(
    "a sip: or sips: URI of at most 254 characters, and headers after a ?",
    r"(?i)sips?:[^\s\x00-\x20\x7f?]{1,249}(\?[^\s\x00-\x20\x7f]{0,4096})?",
    "sip:a@example.com",
)
PAUSE = _matching("a length such as 500ms or 3s", r"[0-9]{1,5}(\.[0-9]{1,3})?m?s", "500ms")

"""The fields of a request, read and checked: `VoiceError` says which one is wrong, and what it should be."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TypeVar
from urllib.parse import urlsplit

from .contract import ErrorCode, Request, VoiceError

Choice = TypeVar("Choice", bound=StrEnum)

LEG_ID = re.compile(r"[!-~]{1,64}\Z")


def refusal(message: str) -> VoiceError:
    return VoiceError(ErrorCode.BAD_REQUEST, message)


def text(request: Request, name: str) -> str:
    value = request.fields.get(name)
    if not isinstance(value, str) or not value:
        raise refusal(f"{request.type} needs `{name}`, a non-empty string")
    return value


def url(request: Request, name: str) -> str:
    value = text(request, name)
    try:
        parts = urlsplit(value)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or not value.isascii() or not value.isprintable():
        raise refusal(f"{request.type} needs `{name}`, an absolute http URL")
    return value


def count(request: Request, name: str, *, default: int | None = None, least: int = 0, most: int) -> int:
    value = request.fields.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise refusal(f"{request.type} needs `{name}`, a whole number from {least} to {most}")
    return value


def flag(request: Request, name: str) -> bool:
    value = request.fields.get(name, False)
    if not isinstance(value, bool):
        raise refusal(f"{request.type}: `{name}` is true or false")
    return value


def choice(request: Request, name: str, values: type[Choice], *, default: Choice) -> Choice:
    try:
        return values(request.fields.get(name, default))
    except ValueError:
        raise refusal(f"{request.type}: `{name}` is one of {', '.join(values)}") from None


def optional(request: Request, name: str) -> str:
    return text(request, name) if request.fields.get(name) is not None else ""


def leg(request: Request) -> str:
    return leg_id(request.fields.get("leg"))


def pair(request: Request) -> tuple[str, str]:
    value = request.fields.get("legs")
    if not isinstance(value, list) or len(value) != 2:
        raise refusal(f"{request.type} needs `legs`, a list of two leg ids")
    return leg_id(value[0]), leg_id(value[1])


def leg_id(value: object) -> str:
    if not isinstance(value, str) or not LEG_ID.match(value):
        raise refusal("a leg id is 1 to 64 printable ASCII characters without spaces")
    return value

"""Parameters: each route names what it takes, and how it is read. Everything else is ignored, as Twilio does.

Texts are ASCII-strict where they stand for something else: `int()` takes full-width digits and blanks
(reliability-security M10). When a parameter comes twice, the last one counts.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from werkzeug.datastructures import MultiDict

from callrouter.directory import webhooks
from foundation.webserver.errors import ApiError

Reader = Callable[[str, str], Any]
"""Of a parameter's name and text; ApiError, or the directory's Refused, when the text will not do."""

INVALID = 20001
_UNWANTED = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_PARTED = re.compile(r"[\s,]+")
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|\+00:00)", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One that a route takes: its name in the request, the field that it sets, and its reader."""

    name: str
    field: str
    read: Reader


def parameter(name: str, field: str, read: Reader) -> Parameter:
    return Parameter(name=name, field=field, read=read)


def given(table: Iterable[Parameter], source: MultiDict[str, str]) -> dict[str, Any]:
    """The fields that the request sets. Absent ones are left out; empty ones are read like any other."""
    return {
        one.field: one.read(one.name, cleaned(one.name, source.getlist(one.name)[-1]))
        for one in table
        if one.name in source
    }


def text(limit: int, code: int = INVALID) -> Reader:
    def read(name: str, value: str) -> str:
        if len(value) > limit:
            raise ApiError(400, code, f"{name} takes at most {limit} characters.")
        return value

    return read


def matching(pattern: str, meaning: str, code: int = INVALID) -> Reader:
    def read(name: str, value: str) -> str:
        if not re.fullmatch(pattern, value, re.ASCII):
            raise ApiError(400, code, f"{name} takes {meaning}.")
        return value

    return read


def integer(low: int, high: int, code: int = INVALID) -> Reader:
    def read(name: str, value: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", value, re.ASCII) or not low <= int(value) <= high:
            raise ApiError(400, code, f"{name} takes a number from {low} to {high}.")
        return int(value)

    return read


def flag(name: str, value: str) -> bool:
    if value.lower() not in ("true", "false"):
        raise ApiError(400, INVALID, f"{name} takes true or false.")
    return value.lower() == "true"


def choice(values: Iterable[str], code: int = INVALID) -> Reader:
    allowed = tuple(values)

    def read(name: str, value: str) -> str:
        if value not in allowed:
            raise ApiError(400, code, f"{name} is one of {', '.join(allowed)}.")
        return value

    return read


def listed(name: str, allowed: Sequence[str], form: MultiDict[str, str], code: int) -> tuple[str, ...]:
    """Words of a parameter that comes once for each of them; some write them all into one."""
    given = {word for text in form.getlist(name) for word in _PARTED.split(text) if word}
    if not given <= set(allowed):
        raise ApiError(400, code, f"{name} is any of {', '.join(allowed)}.")
    return tuple(word for word in allowed if word in given)


def url(code: int) -> Reader:
    return lambda name, value: webhooks.url(name, value, code)


def method(code: int) -> Reader:
    return lambda name, value: webhooks.method(name, value, code)


def moments(name: str, value: str) -> tuple[float, float]:
    """A UTC day `YYYY-MM-DD` or second `YYYY-MM-DDTHH:MM:SSZ`: its first instant and the first one after."""
    try:
        if _DATE.fullmatch(value):
            start = datetime.fromisoformat(value).replace(tzinfo=UTC)
            return start.timestamp(), (start + timedelta(days=1)).timestamp()
        if _MOMENT.fullmatch(value):
            start = datetime.fromisoformat(value)
            return start.timestamp(), (start + timedelta(seconds=1)).timestamp()
    except (ValueError, OverflowError):
        pass
    raise ApiError(400, INVALID, f"{name} takes a date YYYY-MM-DD or a UTC time YYYY-MM-DDTHH:MM:SSZ.")


def cleaned(name: str, value: str) -> str:
    """No control characters: PostgreSQL refuses NUL with an error of its own."""
    if _UNWANTED.search(value):
        raise ApiError(400, INVALID, f"{name} holds a control character.")
    return value

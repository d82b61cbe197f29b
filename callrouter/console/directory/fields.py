"""Forms: what they ask for, what was given, and beside which field a refusal belongs."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite
from typing import Any

from sqlalchemy import Connection

from callrouter.directory.errors import Refused

INVALID = 20001
Choices = Callable[[Connection, str], Sequence[tuple[str, str]]]
"""Values and labels to choose from, in an account."""


class Kind(StrEnum):
    TEXT = "text"
    URL = "url"
    CHECK = "check"
    CHOICE = "choice"
    NUMBER = "number"
    COUNT = "count"


@dataclass(frozen=True, kw_only=True)
class Field:
    """`name` is the column that it sets."""

    name: str
    label: str
    kind: Kind = Kind.TEXT
    group: str = ""
    hint: str = ""
    method: str = ""
    """the column of a URL's HTTP method, asked for beside it"""
    codes: tuple[int, ...] = ()
    """Twilio's codes that are about this field"""
    choices: Choices | None = None
    required: bool = False
    operator: bool = False
    """only the operator sees it"""
    fixed: bool = False
    """it is given once, when the thing is made"""
    initial: Any = ""


def url(name: str, label: str, group: str, *, method: bool = True, hint: str = "") -> Field:
    """A webhook's URL with its method."""
    column = f"{name.removesuffix('_url')}_method" if method else ""
    return Field(name=name, label=label, kind=Kind.URL, group=group, method=column, hint=hint)


def given(fields: Iterable[Field], form: Mapping[str, str]) -> dict[str, Any]:
    """The columns that the form has, in their types. Refused: a number is none, or a text can't be stored."""
    found: dict[str, Any] = {}
    for field in fields:
        if field.kind is Kind.CHECK:
            found[field.name] = field.name in form
        elif field.name in form:
            found[field.name] = _typed(field, form[field.name].strip())
        if field.method and field.method in form:
            found[field.method] = form[field.method]
    return found


def _typed(field: Field, text: str) -> Any:
    if not text.isprintable():
        raise Refused(INVALID, f"{field.name} has characters that cannot be shown")
    if field.required and not text:
        raise Refused(INVALID, f"{field.name} is required")
    if field.kind not in (Kind.NUMBER, Kind.COUNT):
        return text
    try:
        number = float(text) if field.kind is Kind.NUMBER else int(text)
    except ValueError:
        number = float("nan")
    if not (text.isascii() and isfinite(number)):
        raise Refused(
            INVALID, f"{field.name} takes a {'number' if field.kind is Kind.NUMBER else 'whole number'}"
        )
    return number


def wrong(fields: Iterable[Field], refused: Refused) -> tuple[str, str]:
    """The field that a refusal is about (empty: the form as a whole), and the refusal in the form's own words."""
    text = str(refused)
    ordered = sorted(fields, key=lambda field: -len(field.method or field.name))
    for field in ordered:
        for name in filter(None, (field.method, field.name)):
            if text.startswith(name) or f" {name} " in text:
                return field.name, f"{text.replace(name, field.label)}."
    by_code = next((field.name for field in ordered if refused.code in field.codes), "")
    return by_code, f"{text}."

"""Pages of resources that have names: in the order of the names, each page from the last name of the one before."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from flask import request

from presence import fields
from presence.identity import LONGEST

MOST = 1000


T = TypeVar("T")


def asked(default: int = MOST) -> tuple[str, int]:
    """The name after which the page starts, and how many are wanted."""
    given = request.args.get("page_size", str(default))
    size = int(given) if given.isascii() and given.isdigit() and len(given) < 5 else 0
    if not 1 <= size <= MOST:
        raise fields.invalid(f"page_size must be an integer from 1 to {MOST}.")
    return fields.text(request.args.to_dict(), "page_token", LONGEST, default=""), size


def page(found: Sequence[T], size: int, name: Callable[[T], str]) -> tuple[Sequence[T], str | None]:
    """Of one more than wanted: the page, and the token of the next one if there is one."""
    return found[:size], name(found[size - 1]) if len(found) > size else None

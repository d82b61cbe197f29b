"""What carriers send, read field by field: each fault is named to its sender (400/20001)."""

import json
from collections.abc import Mapping
from typing import Any

from flask import request

from foundation.webserver.errors import ApiError

ID_LIMIT = 128
ADDRESS_LIMIT = 256


def body() -> Mapping[str, Any]:
    """The request's JSON object."""
    try:
        found = json.loads(request.get_data())
    except (ValueError, RecursionError) as error:
        raise ApiError(400, 20001, "The body is not JSON.") from error
    if not isinstance(found, dict):
        raise ApiError(400, 20001, "The body is not a JSON object.")
    return found


def object_(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = body.get(name)
    if not isinstance(value, dict):
        raise ApiError(400, 20001, f"`{name}` must be an object.")
    return value


def text(body: Mapping[str, Any], name: str, limit: int, *, required: bool = True) -> str:
    """A text without NUL and without halves of characters, neither of which a database takes."""
    value = body.get(name, "")
    if not isinstance(value, str) or len(value) > limit or (required and not value):
        raise ApiError(400, 20001, f"`{name}` must be a text of 1 to {limit} characters.")
    if "\0" in value or whole(value) != value:
        raise ApiError(400, 20001, f"`{name}` has NUL or half a surrogate pair in it.")
    return value


def whole(text: str) -> str:
    """The text with U+FFFD for each half of a surrogate pair, which JSON can write and UTF-8 can't."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")

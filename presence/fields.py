"""Reads fields of JSON bodies; every fault is a 400 that names the field and what it takes."""

from typing import Any

from flask import request

from foundation.webserver.errors import ApiError


def invalid(message: str) -> ApiError:
    return ApiError(400, 20001, message)


def body() -> dict[str, Any]:
    """The request's JSON object."""
    try:
        value = request.get_json(force=True, silent=True)
    except RecursionError:
        value = None
    if not isinstance(value, dict):
        raise invalid("The body must be a JSON object.")
    return value


def text(source: dict[str, Any], name: str, limit: int, default: str | None = None) -> str:
    """Text of at most `limit` characters that any database can keep; required unless it has a default."""
    value = source.get(name, default)
    if not isinstance(value, str) or len(value) > limit or "\0" in value or not _encodable(value):
        raise invalid(f"{name} must be text of at most {limit} characters.")
    if not value and default is None:
        raise invalid(f"{name} must not be empty.")
    return value


def integer(source: dict[str, Any], name: str, low: int, high: int, default: int | None = None) -> int:
    value = source.get(name, default)
    if type(value) is not int or not low <= value <= high:
        raise invalid(f"{name} must be an integer from {low} to {high}.")
    return value


def flag(source: dict[str, Any], name: str, default: bool | None = None) -> bool:
    """True or false; required unless it has a default."""
    value = source.get(name, default)
    if not isinstance(value, bool):
        raise invalid(f"{name} must be true or false.")
    return value


def version(source: dict[str, Any]) -> int | None:
    """The version that an update was based on, if it says so (PR-16)."""
    return integer(source, "version", 0, 2**62) if "version" in source else None


def number(source: dict[str, Any], name: str) -> float:
    value: Any = source.get(name)
    if type(value) not in (int, float) or not 0 <= value < 1e12:
        raise invalid(f"{name} must be a Unix time in seconds.")
    return float(value)


def texts(source: dict[str, Any], name: str, most: int, limit: int, default: Any = None) -> list[str]:
    """A list of distinct texts, order kept."""
    value = source.get(name, default)
    if not isinstance(value, list) or len(value) > most:
        raise invalid(f"{name} must be a list of at most {most}.")
    return list(dict.fromkeys(text({name: one}, name, limit) for one in value))


def _encodable(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True

"""Endpoints between their rows and their values."""

from functools import lru_cache
from typing import Any

from presence.models import endpoints
from presence.registration import Endpoint

NAMES = tuple(column.name for column in endpoints.columns)


def values(endpoint: Endpoint) -> dict[str, Any]:
    return {**vars(endpoint), "capabilities": ",".join(endpoint.capabilities)}


def endpoint(row: Any) -> Endpoint:
    """The endpoint of a row of the whole table."""
    fields = dict(zip(NAMES, row, strict=True))
    fields["capabilities"] = split(fields["capabilities"])
    return Endpoint(**fields)


@lru_cache(64)
def split(capabilities: str) -> tuple[str, ...]:
    return tuple(capabilities.split(",")) if capabilities else ()

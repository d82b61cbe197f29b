"""How facts of the database are shown: moments in ISO 8601, addresses without passwords."""

import re
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row

from foundation.clock import from_timestamp

PASSWORD = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://[^\s/?#@:]*):[^\s/?#@]*@")


def moment(seconds: float | None) -> str | None:
    return None if seconds is None else from_timestamp(seconds).isoformat(timespec="milliseconds")


def named(row: Row[Any], *names: str) -> dict[str, Any]:
    return {name: row._mapping[name] for name in names}


def masked(text: str) -> str:
    """Without the passwords of URLs in it."""
    return PASSWORD.sub(r"\1:***@", text)


def masked_deeply(value: Any) -> Any:
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, Mapping):
        return {name: masked_deeply(one) for name, one in value.items()}
    return [masked_deeply(one) for one in value] if isinstance(value, list) else value

"""Server-sent events out of lines (https://html.spec.whatwg.org/multipage/server-sent-events.html). Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ServerEvent:
    name: str
    data: str


def events(lines: Iterable[bytes]) -> Iterator[ServerEvent]:
    """Comments, ids and what is cut off at the end are left out."""
    name, data = "", list[str]()
    for line in lines:
        if not line:
            if data:
                yield ServerEvent(name=name or "message", data="\n".join(data))
            name, data = "", []
            continue
        field, _, value = line.decode(errors="replace").partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            name = value
        elif field == "data":
            data.append(value)

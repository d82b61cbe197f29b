"""What is new in a call or an account since one looked last, in words for a terminal."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, select

from callrouter.calls.status import Status
from callrouter.ladders import feed
from callrouter.ladders.text import explained, plain
from callrouter.models import Call

FAULTS = ("error ", "warning ")
"""How rows begin that a fault of its own tells better."""


class Happenings:
    """Of one call. `news` tells each thing once."""

    def __init__(self, call_sid: str, start: float) -> None:
        self._call_sid = call_sid
        self._cursor = feed.beginning(start)

    def news(self, connection: Connection) -> tuple[bool, list[str]]:
        """Whether the call is over, and a line for each thing that is new."""
        call = connection.execute(
            select(Call.account_sid, Call.status).where(Call.sid == self._call_sid)
        ).one_or_none()
        if call is None:
            return False, []
        items, self._cursor = feed.since(connection, call.account_sid, self._cursor, self._call_sid)
        return Status(call.status).final, [line for item in items for line in told(item)]


def told(item: dict[str, Any]) -> Iterator[str]:
    """Lines for an item of the feed; requests are told by the rows around them."""
    if item["kind"] == "fault":
        yield from map(plain, explained(item))
    elif item["kind"] == "row" and not item["summary"].startswith(FAULTS):
        yield plain(f"{item['source']} → {item['target']}  {item['summary']}")

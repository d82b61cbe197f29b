"""Notifications: the code, whose fault it is, what caused it, what to do, and which request it is about."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Row, Select, Table, select

from callrouter.ladders import deliveries
from callrouter.ladders.remedies import remedy
from callrouter.ladders.shown import masked, moment, named
from callrouter.models import Notification

TABLE = Notification.__table__
assert isinstance(TABLE, Table)
COLUMNS = TABLE.c
LINE = re.compile(r"\(line (\d{1,6})\)\Z", re.ASCII)


def of(account_sid: str, sids: Iterable[str]) -> Select[Any]:
    """Notifications of these calls or messages, oldest first."""
    mine = (COLUMNS.account_sid == account_sid, COLUMNS.call_sid.in_(list(sids)))
    return select(TABLE).where(*mine).order_by(COLUMNS.message_date, COLUMNS.sid)


def shown(row: Row[Any], requests: Sequence[Row[Any]] = ()) -> dict[str, Any]:
    """One, with the request of these that it is about: what was asked, what came back, and the line at fault."""
    found = LINE.search(row.message_text)
    line = int(found[1]) if found else None
    known = remedy(row.error_code)
    asked = deliveries.at_fault(requests, row.call_sid, row.message_date, row.request_url)
    return {
        **named(row, "sid", "call_sid", "error_code"),
        "message_text": masked(row.message_text),
        "level": "error" if row.log == "0" else "warning",
        "at": moment(row.message_date),
        "url": masked(row.request_url) if row.request_url else None,
        "line": line,
        "whose": known.whose,
        "cause": known.cause,
        "remedy": known.remedy,
        "delivery_id": asked.id if asked else None,
        "request": _asked(asked, line) if asked else None,
    }


def _asked(row: Row[Any], line: int | None) -> dict[str, Any]:
    return {
        **named(row, "method", "response_status", "content_type", "duration_ms"),
        "url": masked(row.url),
        "outcome": deliveries.outcome(row),
        "excerpt": deliveries.excerpt(row.response_body, line),
    }

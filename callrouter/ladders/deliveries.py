"""Requests to the customer's server, and what came back."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Row, Select, Table, select

from callrouter.ladders.shown import masked, masked_deeply, moment, named
from callrouter.models import Delivery

TABLE = Delivery.__table__
assert isinstance(TABLE, Table)
COLUMNS = TABLE.c
PLAIN = (
    *("id", "call_sid", "kind", "method", "parameters", "attempt", "response_status", "content_type"),
    *("response_headers", "response_body", "error_code", "error_text", "duration_ms"),
)


def of(account_sid: str, sids: Iterable[str]) -> Select[Any]:
    """Requests for these calls or messages, oldest first."""
    mine = (COLUMNS.account_sid == account_sid, COLUMNS.call_sid.in_(list(sids)))
    return select(TABLE).where(*mine).order_by(COLUMNS.at, COLUMNS.id)


def shown(row: Row[Any]) -> dict[str, Any]:
    """Everything about one. Moments are when it was answered; `duration_ms` is how long that took, tries included."""
    return {
        **named(row, *PLAIN),
        "at": moment(row.at),
        "url": masked(row.url),
        "request_headers": row.request_headers or {},
        "response_headers": row.response_headers or [],
        "hops": masked_deeply(row.hops or []),
        "outcome": outcome(row),
    }


def outcome(row: Row[Any]) -> str:
    """What became of it, in a word or two."""
    if row.response_status is not None:
        return str(row.response_status)
    return f"{row.error_code} {row.error_text or ''}".strip() if row.error_code else "no answer"


def in_good_order(row: Row[Any]) -> bool:
    return row.response_status is not None and 200 <= row.response_status < 300


def at_fault(rows: Sequence[Row[Any]], call_sid: str | None, at: float, url: str | None) -> Row[Any] | None:
    """The request whose answer a fault is about: the last one before it, if possible to its URL.

    A document's faults are stored a moment after its record, and with the URL that it was redirected to.
    """
    before = [row for row in rows if row.call_sid == call_sid and row.at <= at + 0.001]
    same = [row for row in before if row.url.partition("#")[0] == url]
    documents = [row for row in before if row.kind == "document"]
    return next(reversed(same or documents or before), None)


def excerpt(body: str | None, line: int | None) -> str | None:
    """The line of a document that is at fault (they count from 1); of an answer without one, how it begins."""
    if not body:
        return None
    lines = body.splitlines()
    if line is not None and 1 <= line <= len(lines):
        return lines[line - 1].strip()[:300]
    return " ".join(body.split())[:200]

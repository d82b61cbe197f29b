"""What is new in an account: rows of calls, steps of messages, requests to the app, faults."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, select

from callrouter import models
from callrouter.ladders import calls, deliveries, faults, messages
from callrouter.ladders.cursor import MOST as REMEMBERED
from callrouter.ladders.cursor import Cursor, digest
from callrouter.ladders.shown import masked, moment, named

PAGE = REMEMBERED + 500
"""Rows of each kind that are read at a time: more than are remembered, so that each reading comes further."""
Found = tuple[float, dict[str, Any]]
Part = tuple[list[Found], float]
"""What was found, and until when that is all there is."""
MESSAGES, DECISIONS = models.Message.__table__, models.MessageDecision.__table__


def beginning(at: float) -> str:
    """The cursor of somebody who wants all since then (Unix seconds)."""
    return str(Cursor(start=at))


def since(
    connection: Connection, account_sid: str, cursor: str, call: str | None = None
) -> tuple[list[dict[str, Any]], str]:
    """What became visible since the cursor, oldest first, and the next cursor; nothing is skipped or given twice.

    `call`: only of this call, with all its legs, or of this message. Each item has `kind` (row, request, fault),
    `key`, `sid` of its call or message, `at`, `source`, `target` and `summary`; a row its `detail`, a request what
    came back, a fault its code, cause, remedy and what it is about. Refused: the text is no cursor. Missing: no such
    call. May give a part only; then the next reading goes on.
    """
    place = Cursor.parse(cursor)
    top, sids = _about(connection, account_sid, call)
    parts = [
        _rows(connection, account_sid, place.start, top),
        _requests(connection, account_sid, place.start, sids),
        _faults(connection, account_sid, place, sids),
        _messages(connection, account_sid, place.start, top),
    ]
    whole_until = min(until for _, until in parts)
    read = [found for part, _ in parts for found in part if found[0] <= whole_until]
    read.sort(key=lambda found: found[0])
    fresh = [item for _, item in read if digest(item["key"]) not in place.seen]
    return fresh, str(place.after((at, item["key"]) for at, item in read))


def _about(connection: Connection, account_sid: str, call: str | None) -> tuple[str | None, list[str] | None]:
    """The SID under which rows stand, and those of all legs; None: of all."""
    if call is None:
        return None, None
    if not call.startswith("CA"):
        return call, [call]
    top, legs = calls.family(connection, account_sid, call)
    return top, [leg.sid for leg in legs]


def _rows(connection: Connection, account_sid: str, start: float, top: str | None) -> Part:
    columns = calls.LINES.c
    query = _from(select(calls.LINES), account_sid, columns, columns.at, start)
    query = query.order_by(columns.at, columns.call_sid, columns.position)
    found = connection.execute(query if top is None else query.where(columns.call_sid == top))
    return _part([(row.at, {"kind": "row", "sid": row.call_sid, **calls.line_shown(row)}) for row in found])


def _requests(connection: Connection, account_sid: str, start: float, sids: list[str] | None) -> Part:
    columns = deliveries.COLUMNS
    query = _from(select(deliveries.TABLE), account_sid, columns, columns.at, start).order_by(
        columns.at, columns.id
    )
    found = connection.execute(query if sids is None else query.where(columns.call_sid.in_(sids)))
    return _part([(row.at, _request(row)) for row in found])


def _request(row: Row[Any]) -> dict[str, Any]:
    names = (
        "method",
        "attempt",
        "response_status",
        "content_type",
        "error_code",
        "error_text",
        "duration_ms",
    )
    return {
        "kind": "request",
        "key": f"request.{row.id}",
        "sid": row.call_sid,
        "at": moment(row.at),
        "source": "app",
        "target": "router",
        "summary": f"{deliveries.outcome(row)} to {row.kind} {row.method} {masked(row.url)}",
        "delivery_id": row.id,
        "what": row.kind,
        "url": masked(row.url),
        **named(row, *names),
    }


def _faults(connection: Connection, account_sid: str, place: Cursor, sids: list[str] | None) -> Part:
    """Requests are read for those only that are new."""
    columns = faults.COLUMNS
    query = _from(select(faults.TABLE), account_sid, columns, columns.message_date, place.start)
    query = query.order_by(columns.message_date, columns.sid)
    found = connection.execute(query if sids is None else query.where(columns.call_sid.in_(sids))).all()
    concerned = {row.call_sid for row in found if row.call_sid and digest(row.sid) not in place.seen}
    asked = connection.execute(deliveries.of(account_sid, concerned)).all() if concerned else []
    return _part([(row.message_date, _fault(row, asked)) for row in found])


def _fault(row: Row[Any], asked: Sequence[Row[Any]]) -> dict[str, Any]:
    shown = faults.shown(row, asked)
    return {
        "kind": "fault",
        "key": row.sid,
        **{**shown, "sid": row.call_sid, "notification_sid": row.sid},
        "source": "router",
        "target": "app",
        "summary": f"{shown['level']} {row.error_code}: {shown['message_text']}",
    }


def _messages(connection: Connection, account_sid: str, start: float, sid: str | None) -> Part:
    """Steps that the rows of messages tell. A page ends with a message's last change, which no step is later than."""
    columns = MESSAGES.c
    query = _from(select(MESSAGES), account_sid, columns, columns.date_updated, start)
    query = query.order_by(columns.date_updated, columns.sid)
    changed = connection.execute(query if sid is None else query.where(columns.sid == sid)).all()
    decided = _decided(connection, account_sid, [row.sid for row in changed])
    found = [
        (at, {"kind": "row", "sid": row.sid, **step})
        for row in changed
        for at, step in messages.steps(row, decided.get(row.sid, []))
        if at >= start
    ]
    return found, changed[-1].date_updated if len(changed) >= PAGE else float("inf")


def _decided(connection: Connection, account_sid: str, sids: Iterable[str]) -> dict[str, list[Row[Any]]]:
    columns = DECISIONS.c
    mine = (columns.account_sid == account_sid, columns.message_sid.in_(list(sids)))
    by_message: dict[str, list[Row[Any]]] = {}
    for row in connection.execute(select(DECISIONS).where(*mine).order_by(columns.attempt)):
        by_message.setdefault(row.message_sid, []).append(row)
    return by_message


def _part(found: list[Found]) -> Part:
    return found, found[-1][0] if len(found) >= PAGE else float("inf")


def _from(query: Select[Any], account_sid: str, columns: Any, at: Any, start: float) -> Select[Any]:
    return query.where(columns.account_sid == account_sid, at >= start).limit(PAGE)

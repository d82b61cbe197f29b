"""One call with all its legs: who told whom what, what the app was asked, who was rung and why nobody else."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, Table, select

from callrouter.calls import decisions
from callrouter.calls.decisions import DECISIONS
from callrouter.directory.errors import Missing
from callrouter.ladders import deliveries, faults
from callrouter.ladders.parties import parties
from callrouter.ladders.shown import masked, masked_deeply, moment, named
from callrouter.models import Call, Recording, TimelineEntry

CALLS, LINES, RECORDINGS = Call.__table__, TimelineEntry.__table__, Recording.__table__
assert isinstance(CALLS, Table)
assert isinstance(LINES, Table)
assert isinstance(RECORDINGS, Table)
LIVE = frozenset({"queued", "initiated", "ringing", "in-progress"})
MOST, MOST_REQUESTS, MOST_FAULTS = 2_000, 300, 300
"""Of one call: the newest rows and requests, the first faults; a conference call of a day has more."""


def fetch(connection: Connection, account_sid: str, sid: str, *, operator: bool = True) -> dict[str, Any]:
    """The ladder of the call that this leg belongs to. Missing: the account has no such call.

    `operator`: with the devices of other accounts' clients, which took part in the choice of whom to ring.
    """
    top, legs = family(connection, account_sid, sid)
    sids = [leg.sid for leg in legs]
    lines = _newest(connection, lines_of(account_sid, top), LINES.c.position, MOST)
    requests = deliveries.of(account_sid, sids).order_by(None)
    asked = _newest(connection, requests, deliveries.COLUMNS.at, MOST_REQUESTS)
    noted = connection.execute(faults.of(account_sid, sids).limit(MOST_FAULTS))
    notes = [faults.shown(row, asked) for row in noted]
    rows = _rows(lines, asked, notes)
    own = next((leg for leg in legs if leg.sid == top), legs[0])
    return {
        "call_sid": top,
        "live": any(leg.status in LIVE for leg in legs),
        "legs": [leg_shown(leg) for leg in legs],
        "parties": parties(rows, "" if own.direction.startswith("outbound") else own._mapping["from"]),
        "rows": rows,
        "left_out": max(0, (lines[0].position if lines else 0)),
        "deliveries": [deliveries.shown(row) for row in asked],
        "presence": [
            _decided(row, account_sid, operator)
            for row in connection.execute(decisions.listed(account_sid, top).order_by(DECISIONS.c.at))
        ],
        "notifications": notes,
        "recordings": recordings(connection, account_sid, sids),
    }


def family(connection: Connection, account_sid: str, sid: str) -> tuple[str, Sequence[Row[Any]]]:
    """The SID of the first leg, and all legs, oldest first. Missing: the account has no such call."""
    mine = select(CALLS).where(CALLS.c.account_sid == account_sid)
    asked = connection.execute(mine.where(CALLS.c.sid == sid)).one_or_none()
    if asked is None:
        raise Missing(f"Call {sid}")
    top = asked.parent_call_sid or sid
    legs = mine.where((CALLS.c.sid == top) | (CALLS.c.parent_call_sid == top))
    return top, connection.execute(legs.order_by(CALLS.c.date_created, CALLS.c.leg)).all()


def leg_shown(leg: Row[Any]) -> dict[str, Any]:
    names = ("sid", "parent_call_sid", "direction", "from", "to", "status", "ended_because", "carrier")
    times = ("date_created", "start_time", "end_time")
    return {**named(leg, *names), **{name: moment(leg._mapping[name]) for name in times}}


def lines_of(account_sid: str, top: str) -> Select[Any]:
    return select(LINES).where(LINES.c.account_sid == account_sid, LINES.c.call_sid == top)


def line_shown(row: Row[Any]) -> dict[str, Any]:
    """A row of the timeline."""
    return {
        "key": f"{row.call_sid}.{row.position}",
        "position": row.position,
        "at": moment(row.at),
        **named(row, "source", "target"),
        "summary": masked(row.summary),
        "detail": masked_deeply(row.detail),
    }


def request_shown(row: Row[Any]) -> dict[str, Any]:
    """A request that the timeline does not tell of, such as a status callback."""
    return {
        "key": f"request.{row.id}",
        "position": None,
        "at": moment(row.at),
        "source": "router",
        "target": "app",
        "summary": f"{row.kind} {row.method} {masked(row.url)}: {deliveries.outcome(row)}",
        "detail": {},
        "delivery_id": row.id,
        **({} if deliveries.in_good_order(row) else {"level": "error"}),
    }


def _newest(connection: Connection, query: Select[Any], order: Any, most: int) -> list[Row[Any]]:
    return list(reversed(connection.execute(query.order_by(order.desc()).limit(most)).all()))


def _rows(
    lines: Sequence[Row[Any]], asked: Sequence[Row[Any]], notes: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """What happened in order, with the request that a row made or that answered it, and the fault that it tells of."""
    last_try = {_entry(row): row for row in asked}
    untold: dict[str, list[dict[str, Any]]] = {}
    for note in reversed(notes):
        said = f"{note['level']} {note['error_code']}: {note['message_text']}"
        untold.setdefault(said, []).append(note)
    told, waiting = set[str](), dict[str, str]()
    rows = list[tuple[float, int, dict[str, Any]]]()
    for line in lines:
        shown = line_shown(line)
        request = last_try.get(str(line.detail.get("request", "")))
        answers = line.source == "app" and line.summary.startswith(("document", "no document"))
        if request is not None:
            shown["delivery_id"] = waiting[request.url] = request.id
            told.add(_entry(request))
        elif answers and waiting:  # the URL is another one after a redirect
            url = line.detail.get("url", "")
            shown["delivery_id"] = waiting.pop(url if url in waiting else next(iter(waiting)))
        if answers and line.summary != "document":
            shown["level"] = "error"
        if same := untold.get(shown["summary"]):
            note = same.pop()
            shown |= {name: note[name] for name in ("level", "delivery_id")}
            shown["notification_sid"] = note["sid"]
        rows.append((line.at, line.position, shown))
    rows += [(row.at, -1, request_shown(row)) for row in asked if _entry(row) not in told]
    rows.sort(key=lambda row: row[:2])
    return [shown for _, _, shown in rows]


def _entry(delivery: Row[Any]) -> str:
    """The outbox entry that the request was made for: its id without the number of the try."""
    return str(delivery.id.rpartition(".")[0])


def _decided(row: Row[Any], account_sid: str, operator: bool) -> dict[str, Any]:
    what = ("call_sid", "name", "mode", "outcome", "as_of")
    who = ("chosen_account", "chosen_client", "presence_version", "waves", "rung")
    skipped = decisions.not_rung(row)
    if not operator:
        skipped = [one for one in skipped if one["account_sid"] in (account_sid, None)]
    return {
        "at": moment(row.at),
        **named(row, *what, *who),
        "skipped": skipped,
        "snapshot": row.snapshot if operator else row.snapshot and decisions.seen(row.snapshot, account_sid),
    }


def recordings(connection: Connection, account_sid: str, sids: Sequence[str]) -> list[dict[str, Any]]:
    columns = RECORDINGS.c
    mine = (columns.account_sid == account_sid, columns.call_sid.in_(sids))
    names = ("sid", "call_sid", "source", "track", "channels", "status", "duration", "error_code")
    found = connection.execute(select(RECORDINGS).where(*mine).order_by(columns.start_time))
    return [{**named(row, *names), "start_time": moment(row.start_time)} for row in found]

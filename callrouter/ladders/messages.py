"""One message: who had it when, the routes that were considered, its place in a queue, its media, its webhooks."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Row, select

from callrouter import models
from callrouter.api.message_decisions import seen
from callrouter.directory.errors import Missing
from callrouter.ladders import deliveries, faults
from callrouter.ladders.calls import line_shown, request_shown
from callrouter.ladders.parties import parties
from callrouter.ladders.shown import moment, named

FACTS = (
    *("sid", "direction", "from", "to", "status", "error_code", "body", "encoding", "num_segments"),
    *("num_media", "messaging_service_sid", "session_sid", "answers", "carrier", "feedback"),
    *("possible_duplicate", "otherwise", "media_required"),
)
TIMES = ("date_created", "date_updated", "date_sent", "reported_at", "valid_until", "due_at")
MEDIA = ("sid", "url", "content_type", "size", "error_code")
QUEUED = ("carrier", "position", "state", "attempts", "moves", "avoided")
FINAL = frozenset({"received", "delivered", "undelivered", "failed", "canceled", "read"})
QUIET = 60.0
"""Seconds after its last change for which more may be heard of a message that has come to its end."""


def fetch(
    connection: Connection, account_sid: str, sid: str, *, operator: bool = True, now: float = 0.0
) -> dict[str, Any]:
    """The ladder of the message. Missing: the account has none of that SID.

    `operator`: with what carriers cost, and the devices of other accounts' clients.
    """

    def rows(model: Any, column: str, order: str) -> Sequence[Row[Any]]:
        table = model.__table__
        mine = (table.c.account_sid == account_sid, table.c[column] == sid)
        return connection.execute(select(table).where(*mine).order_by(table.c[order])).all()

    message = next(iter(rows(models.Message, "sid", "sid")), None)
    if message is None:
        raise Missing(f"Message {sid}")
    decided = rows(models.MessageDecision, "message_sid", "attempt")
    asked = connection.execute(deliveries.of(account_sid, [sid])).all()
    found = list(steps(message, decided))
    found += [(row.at, line_shown(row)) for row in rows(models.TimelineEntry, "call_sid", "position")]
    found += [(row.at, request_shown(row)) for row in asked]
    found += [
        (
            row.date_created,
            _told(f"{sid}.reply.{row.sid}", row.date_created, "app", "router", f"replies by {row.sid}"),
        )
        for row in rows(models.Message, "answers", "date_created")
    ]
    found.sort(key=lambda step: step[0])
    shown = [step for _, step in found]
    return {
        "message": {
            **named(message, *FACTS),
            **{name: moment(message._mapping[name]) for name in TIMES},
        },
        "live": message.status not in FINAL or message.date_updated > now - QUIET,
        "parties": parties(shown, shown[0]["source"] if message.direction == "inbound" else ""),
        "rows": shown,
        "deliveries": [deliveries.shown(row) for row in asked],
        "media": [named(row, *MEDIA) for row in rows(models.MessageMedia, "message_sid", "position")],
        "decisions": [
            {
                "at": moment(row.at),
                **named(row, "attempt", "carrier", "reason"),
                "considered": row.considered
                if operator
                else [seen(one, account_sid) for one in row.considered],
            }
            for row in decided
        ],
        "queue": [
            {**named(row, *QUEUED), "due_at": moment(row.due_at)}
            for row in rows(models.QueuedMessage, "message_sid", "position")
        ],
        "notifications": [
            faults.shown(row, asked) for row in connection.execute(faults.of(account_sid, [sid]))
        ],
    }


Step = tuple[float, dict[str, Any]]
"""When, and the row."""


def steps(message: Row[Any], decided: Sequence[Row[Any]]) -> Iterator[Step]:
    """What the message's own row and its routing decisions tell."""
    sid, inbound, carrier = message.sid, message.direction == "inbound", message.carrier or "carrier"
    came = message.date_created
    what = f"{message._mapping['from'] or '?'} → {message.to}"
    yield came, _told(f"{sid}.came", came, carrier if inbound else "app", "router", what)
    for row in decided:
        summary = f"queued: {row.reason}" if row.carrier else f"no carrier: {row.reason}"
        told = _told(f"{sid}.decision.{row.attempt}", row.at, "router", row.carrier or "nobody", summary)
        yield row.at, told
    if message.date_sent is not None and not inbound:
        yield message.date_sent, _told(f"{sid}.sent", message.date_sent, "router", carrier, "handed over")
    if message.reported_at is not None:
        said = message.status if message.error_code is None else f"{message.status} {message.error_code}"
        at = message.reported_at
        yield at, _told(f"{sid}.reported.{said}", at, carrier, "router", f"reported: {said}")
    elif message.status == "failed":
        at, said = message.date_updated, f"failed: {message.error_code}"
        yield at, _told(f"{sid}.failed", at, "router", "app", said)


def _told(key: str, at: float, source: str, target: str, summary: str) -> dict[str, Any]:
    return {
        **{"key": key, "position": None, "at": moment(at), "source": source, "target": target},
        **{"summary": summary, "detail": {}},
    }

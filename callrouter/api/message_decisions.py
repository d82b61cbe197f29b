"""/Messages/{SM}/Decisions, why a message went to the carrier it went to: every route that was considered, with its
score (PQ-2, MR-10). Once when it was queued, and again each time that it changed its queue. It is callrouter's own:
Twilio has no such resource.
"""

from typing import Any

from flask import Blueprint, Response
from sqlalchemy import Row, Select, select

from callrouter import models
from callrouter.api import messages
from callrouter.api.context import api
from callrouter.api.paging import page_of
from callrouter.api.render import Kind, date, path, respond_list
from callrouter.api.routes import route

KIND = Kind(one="Decision", many="Decisions", key="decisions")
OPERATORS = frozenset({"cost", "weight", "outcomes"})
DEVICES = frozenset({"endpoints", "skipped"})
DECISIONS = models.MessageDecision.__table__.c

routes = Blueprint("message_decisions", __name__)


@route(routes, "GET", f"{messages.INSTANCE}/Decisions")
def list_decisions(account_sid: str, sid: str) -> Response:
    messages.fetch(account_sid, sid)
    found = api().read(lambda c: c.execute(listed(account_sid, sid)).all())
    some = page_of(found, lambda row: (row.at, str(row.attempt)))
    return respond_list(KIND, some, [_shown(row) for row in some.rows])


def listed(account_sid: str, message_sid: str) -> Select[Any]:
    """Newest first."""
    mine = (DECISIONS.account_sid == account_sid, DECISIONS.message_sid == message_sid)
    return select(models.MessageDecision.__table__).where(*mine).order_by(DECISIONS.attempt.desc())


def seen(considered: dict[str, Any], account_sid: str) -> dict[str, Any]:
    """Without what is the operator's (costs), other accounts' (how much they send) or their clients' (devices)."""
    foreign = considered.get("account_sid", account_sid) != account_sid
    hidden = OPERATORS | (DEVICES if foreign else frozenset())
    return {name: value for name, value in considered.items() if name not in hidden}


def _shown(row: Row[Any]) -> dict[str, Any]:
    """`carrier` is null when no route could take it. For a message to a client, clients are considered, not routes."""
    return {
        "account_sid": row.account_sid,
        "message_sid": row.message_sid,
        "attempt": row.attempt,
        "date_created": date(row.at),
        "carrier": row.carrier or None,
        "reason": row.reason,
        "considered": [seen(one, row.account_sid) for one in row.considered],
        "uri": path(row.account_sid, "Messages", row.message_sid, "Decisions"),
    }

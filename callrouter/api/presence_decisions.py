"""/Calls/{CA}/PresenceDecisions, whom a `<Client>` rang and why nobody else: what the presence server said, who was
chosen, which devices rang, and the reason for each that did not. Of a leg, or of all legs that were dialled from it.
It is callrouter's own: Twilio has no such resource.
"""

from typing import Any

from flask import Blueprint, Response
from sqlalchemy import Row

from callrouter.api import calls
from callrouter.api.context import api
from callrouter.api.paging import page
from callrouter.api.render import Kind, date, path, respond_list
from callrouter.api.routes import route
from callrouter.calls import decisions
from callrouter.calls.decisions import DECISIONS

KIND = Kind(one="PresenceDecision", many="PresenceDecisions", key="presence_decisions")

routes = Blueprint("presence_decisions", __name__)


@route(routes, "GET", f"{calls.INSTANCE}/PresenceDecisions")
def list_decisions(account_sid: str, sid: str) -> Response:
    calls.fetch(account_sid, sid)
    query = decisions.listed(account_sid, sid)
    found = api().read(lambda c: page(c, query, DECISIONS.c.at, DECISIONS.c.call_sid))
    return respond_list(KIND, found, [_shown(row) for row in found.rows])


def _shown(row: Row[Any]) -> dict[str, Any]:
    """`sequence`, of the presence server, and `presence`, its whole answer, are null when it did not answer."""
    chosen = {"account_sid": row.chosen_account, "client": row.chosen_client, "version": row.presence_version}
    return {
        "account_sid": row.account_sid,
        "call_sid": row.call_sid,
        "attempt": row.attempt,
        "date_created": date(row.at),
        "to": f"client:{row.name}",
        "ring_mode": row.mode,
        "outcome": row.outcome,
        "sequence": row.as_of,
        "chosen": chosen if row.chosen_client else None,
        "waves": row.waves,
        "rung": row.rung,
        "skipped": decisions.not_rung(row),
        "presence": row.snapshot and decisions.seen(row.snapshot, row.account_sid),
        "uri": path(row.account_sid, "Calls", row.call_sid, "PresenceDecisions"),
    }

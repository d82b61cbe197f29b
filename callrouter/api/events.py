"""/Calls/{CA}/Events: every webhook request of a call, and what came back (twilio-surface 5.7)."""

from typing import Any

from flask import Blueprint, Response
from sqlalchemy import Row, select

from callrouter import models
from callrouter.api import calls
from callrouter.api.context import api
from callrouter.api.paging import page
from callrouter.api.render import Kind, date, respond_list
from callrouter.api.routes import route

KIND = Kind(one="Event", many="Events", key="events")
DELIVERIES = models.Delivery.__table__.c

routes = Blueprint("events", __name__)


@route(routes, "GET", f"{calls.INSTANCE}/Events")
def list_events(account_sid: str, sid: str) -> Response:
    calls.fetch(account_sid, sid)
    query = select(models.Delivery.__table__).where(
        DELIVERIES.account_sid == account_sid, DELIVERIES.call_sid == sid
    )
    found = api().read(lambda c: page(c, query, DELIVERIES.at, DELIVERIES.id))
    return respond_list(KIND, found, [_shown(row) for row in found.rows])


def _shown(delivery: Row[Any]) -> dict[str, Any]:
    """`request_duration` is in milliseconds; `response_code` is null when no answer came."""
    return {
        "request": {
            "method": delivery.method,
            "url": delivery.url,
            "parameters": delivery.parameters,
        },
        "response": {
            "response_code": delivery.response_status,
            "request_duration": delivery.duration_ms,
            "content_type": delivery.content_type,
            "response_body": delivery.response_body,
            "date_created": date(delivery.at),
        },
    }

"""/Calls: what calls there are and were, new ones, and commands to those in progress (twilio-surface 5.7)."""

from typing import Any

from flask import Blueprint, Response, request
from sqlalchemy import Row, Select, delete, select

from callrouter import models
from callrouter.api import params
from callrouter.api.access import demand_active
from callrouter.api.call_create import placement
from callrouter.api.call_update import update
from callrouter.api.call_view import FINAL, INITIATED, QUEUED, STATUSES, shown
from callrouter.api.context import api
from callrouter.api.paging import page
from callrouter.api.params import parameter
from callrouter.api.periods import given_periods
from callrouter.api.render import Kind, deleted, not_found, respond, respond_list
from callrouter.api.routes import route
from callrouter.directory.errors import Missing, Refused

KIND = Kind(one="Call", many="Calls", key="calls")
COLLECTION = "/Accounts/<account_sid>/Calls"
INSTANCE = f"{COLLECTION}/<sid>"
FILTERS = (
    parameter("To", "to", params.text(300)),
    parameter("From", "from", params.text(300)),
    parameter("ParentCallSid", "parent_call_sid", params.text(34)),
)
STATUS = parameter("Status", "status", params.choice(STATUSES))
CALLS = models.Call.__table__.c

routes = Blueprint("calls", __name__)
routes.before_request(demand_active)


@route(routes, "GET", COLLECTION)
def list_calls(account_sid: str) -> Response:
    filters = params.given(FILTERS, request.args)
    query = listed(account_sid).where(*(CALLS[name] == wanted for name, wanted in filters.items()))
    if status := params.given((STATUS,), request.args).get("status"):
        query = query.where(CALLS.status.in_((QUEUED, INITIATED) if status == QUEUED else (status,)))
    periods = {"StartTime": CALLS.start_time, "EndTime": CALLS.end_time}
    query = query.where(*given_periods(periods, request.args))
    found = api().read(lambda c: page(c, query, CALLS.date_created, CALLS.sid))
    return respond_list(KIND, found, [shown(row) for row in found.rows])


@route(routes, "POST", COLLECTION)
def create_call(account_sid: str) -> Response:
    wanted = api().read(lambda c: placement(c, account_sid, request.form))
    return respond(KIND, shown(fetch(account_sid, api().live.place(wanted))), 201)


@route(routes, "GET", INSTANCE)
def fetch_call(account_sid: str, sid: str) -> Response:
    return respond(KIND, shown(fetch(account_sid, sid)))


@route(routes, "POST", INSTANCE)
def change_call(account_sid: str, sid: str) -> Response:
    update(fetch(account_sid, sid), request.form)
    return respond(KIND, shown(fetch(account_sid, sid)))


@route(routes, "DELETE", INSTANCE)
def delete_call(account_sid: str, sid: str) -> Response:
    """Removes the record and what hangs on it: timeline, notifications, webhooks, streams."""

    def work(connection: Any) -> None:
        row = connection.execute(listed(account_sid).where(CALLS.sid == sid)).one_or_none()
        if row is None:
            raise Missing(f"Call {sid}")
        if row.status not in FINAL:
            raise Refused(20009, f"Call {sid} is still {row.status}; it can be deleted when it has ended")
        for table in (models.TimelineEntry, models.Notification, models.Delivery, models.Stream):
            connection.execute(delete(table).where(table.account_sid == account_sid, table.call_sid == sid))
        call = models.Call
        connection.execute(delete(call).where(call.account_sid == account_sid, call.sid == sid))

    api().write(work)
    return deleted()


def listed(account_sid: str) -> Select[Any]:
    return select(models.Call.__table__).where(CALLS.account_sid == account_sid)


def fetch(account_sid: str, sid: str) -> Row[Any]:
    """The account's call; ApiError 404/20404 when it has none of that SID."""
    row = api().read(lambda c: c.execute(listed(account_sid).where(CALLS.sid == sid)).one_or_none())
    if row is None:
        raise not_found()
    return row

"""/Calls: what calls there are and were, new ones, and commands to those in progress (twilio-surface 5.7). A call that
an account's client took for another account's destination is one call, of the account that dialled, which also bears
its usage; the account that took it sees it too, from its answer on, and can end it.
"""

from typing import Any

from flask import Blueprint, Response, request
from sqlalchemy import Connection, Row, Select, delete, or_, select
from sqlalchemy import update as update_rows

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
HANGING_ON = (
    *(models.TimelineEntry, models.Notification, models.Delivery),
    *(models.Stream, models.PresenceDecision),
)
CALLS = models.Call.__table__.c

routes = Blueprint("calls", __name__)
routes.before_request(demand_active)


@route(routes, "GET", COLLECTION)
def list_calls(account_sid: str) -> Response:
    filters = params.given(FILTERS, request.args)
    wanted = [CALLS[name] == value for name, value in filters.items()]
    if status := params.given((STATUS,), request.args).get("status"):
        wanted.append(CALLS.status.in_((QUEUED, INITIATED) if status == QUEUED else (status,)))
    periods = {"StartTime": CALLS.start_time, "EndTime": CALLS.end_time}
    wanted.extend(given_periods(periods, request.args))
    found = api().read(
        lambda c: page(c, _quickly_listed(c, account_sid).where(*wanted), CALLS.date_created, CALLS.sid)
    )
    return respond_list(KIND, found, [shown(row, account_sid) for row in found.rows])


@route(routes, "POST", COLLECTION)
def create_call(account_sid: str) -> Response:
    wanted = api().read(lambda c: placement(c, account_sid, request.form))
    return respond(KIND, shown(fetch(account_sid, api().live.place(wanted)), account_sid), 201)


@route(routes, "GET", INSTANCE)
def fetch_call(account_sid: str, sid: str) -> Response:
    return respond(KIND, shown(fetch(account_sid, sid), account_sid))


@route(routes, "POST", INSTANCE)
def change_call(account_sid: str, sid: str) -> Response:
    update(fetch(account_sid, sid), request.form, account_sid)
    return respond(KIND, shown(fetch(account_sid, sid), account_sid))


@route(routes, "DELETE", INSTANCE)
def delete_call(account_sid: str, sid: str) -> Response:
    """Removes the record and what hangs on it: timeline, notifications, webhooks, streams, decisions on presence."""

    def work(connection: Any) -> None:
        row = connection.execute(listed(account_sid).where(CALLS.sid == sid)).one_or_none()
        if row is None:
            raise Missing(f"Call {sid}")
        if row.status not in FINAL:
            raise Refused(20009, f"Call {sid} is still {row.status}; it can be deleted when it has ended")
        if row.account_sid != account_sid:
            return _forget(connection, sid)
        for table in HANGING_ON:
            connection.execute(delete(table).where(table.account_sid == account_sid, table.call_sid == sid))
        call = models.Call
        connection.execute(delete(call).where(call.account_sid == account_sid, call.sid == sid))

    api().write(work)
    return deleted()


def listed(account_sid: str) -> Select[Any]:
    """The account's calls, and other accounts' calls that its clients took (PR-61)."""
    return select(models.Call.__table__).where(
        or_(CALLS.account_sid == account_sid, CALLS.taken_by == account_sid)
    )


def _quickly_listed(connection: Connection, account_sid: str) -> Select[Any]:
    """As `listed`, for long lists: they keep their index where no client took another account's call."""
    taken = select(CALLS.sid).where(CALLS.taken_by == account_sid).limit(1)
    if connection.execute(taken).first() is not None:
        return listed(account_sid)
    return select(models.Call.__table__).where(CALLS.account_sid == account_sid)


def _forget(connection: Connection, sid: str) -> None:
    """The record stays with the account that the call is of."""
    connection.execute(update_rows(models.Call).where(CALLS.sid == sid).values(taken_by=None))


def fetch(account_sid: str, sid: str) -> Row[Any]:
    """The account's call; ApiError 404/20404 when it has none of that SID."""
    row = api().read(lambda c: c.execute(listed(account_sid).where(CALLS.sid == sid)).one_or_none())
    if row is None:
        raise not_found()
    return row

"""/Notifications of an account and of a call: faults with their codes (twilio-surface 5.11)."""

from typing import Any

from flask import Blueprint, Response, request
from sqlalchemy import Row, Select, select

from callrouter import models
from callrouter.api import calls, params
from callrouter.api.context import api
from callrouter.api.paging import page
from callrouter.api.params import parameter
from callrouter.api.periods import given_periods
from callrouter.api.render import API_VERSION, Kind, date, not_found, path, respond, respond_list
from callrouter.api.routes import route
from foundation.sids import CALL, is_sid

KIND = Kind(one="Notification", many="Notifications", key="notifications")
COLLECTION = "/Accounts/<account_sid>/Notifications"
OF_CALL = "/Accounts/<account_sid>/Calls/<call_sid>/Notifications"
LOG = parameter("Log", "log", params.choice(("0", "1")))
NOTES = models.Notification.__table__.c

routes = Blueprint("notifications", __name__)


@route(routes, "GET", COLLECTION)
@route(routes, "GET", OF_CALL)
def list_notifications(account_sid: str, call_sid: str | None = None) -> Response:
    query = _listed(account_sid, call_sid)
    if log := params.given((LOG,), request.args).get("log"):
        query = query.where(NOTES.log == log)
    query = query.where(*given_periods({"MessageDate": NOTES.message_date}, request.args))
    found = api().read(lambda c: page(c, query, NOTES.message_date, NOTES.sid))
    return respond_list(KIND, found, [_shown(row, call_sid) for row in found.rows])


@route(routes, "GET", f"{COLLECTION}/<sid>")
@route(routes, "GET", f"{OF_CALL}/<sid>")
def fetch_notification(account_sid: str, sid: str, call_sid: str | None = None) -> Response:
    query = _listed(account_sid, call_sid).where(NOTES.sid == sid)
    row = api().read(lambda c: c.execute(query).one_or_none())
    if row is None:
        raise not_found()
    details = {
        "request_variables": row.request_variables,
        "response_headers": row.response_headers,
        "response_body": row.response_body,
    }
    return respond(KIND, {**_shown(row, call_sid), **details})


def _listed(account_sid: str, call_sid: str | None) -> Select[Any]:
    query = select(models.Notification.__table__).where(NOTES.account_sid == account_sid)
    if call_sid is None:
        return query
    calls.fetch(account_sid, call_sid)
    return query.where(NOTES.call_sid == call_sid)


def _shown(note: Row[Any], under: str | None) -> dict[str, Any]:
    moment = date(note.message_date)
    parents = ("Calls", under) if under else ()
    return {
        "sid": note.sid,
        "account_sid": note.account_sid,
        "call_sid": note.call_sid if is_sid(note.call_sid or "", CALL) else None,  # a message's has none
        "log": note.log,
        "error_code": note.error_code,
        "more_info": f"https://www.twilio.com/docs/errors/{note.error_code}",
        "message_text": note.message_text,
        "message_date": moment,
        "request_method": note.request_method,
        "request_url": note.request_url,
        "api_version": API_VERSION,
        "date_created": moment,
        "date_updated": moment,
        "uri": path(note.account_sid, *parents, "Notifications", note.sid),
    }

"""/Conferences: what conferences there are and were, and commands to those in progress (twilio-surface 5.10)."""

from functools import partial
from typing import Any

from flask import Blueprint, Response, request
from sqlalchemy import Row, Select, select

from callrouter import models
from callrouter.api import params
from callrouter.api.access import demand_active
from callrouter.api.context import api
from callrouter.api.paging import page
from callrouter.api.params import parameter
from callrouter.api.periods import given_periods
from callrouter.api.render import API_VERSION, Kind, date, not_found, path, respond, respond_list
from callrouter.api.routes import route
from callrouter.conferences import control
from callrouter.conferences.meeting import COMPLETED, IN_PROGRESS, INIT

KIND = Kind(one="Conference", many="Conferences", key="conferences")
COLLECTION = "/Accounts/<account_sid>/Conferences"
INSTANCE = f"{COLLECTION}/<sid>"
CONFERENCES = models.Conference.__table__.c
FILTERS = (
    parameter("FriendlyName", "friendly_name", params.text(128)),
    parameter("Status", "status", params.choice((INIT, IN_PROGRESS, COMPLETED))),
)
SETTINGS = (
    parameter("Status", "status", params.choice((COMPLETED,))),
    parameter("AnnounceUrl", "announce_url", params.url(21205)),
    parameter("AnnounceMethod", "announce_method", params.method(21209)),
)

routes = Blueprint("conferences", __name__)
routes.before_request(demand_active)


@route(routes, "GET", COLLECTION)
def list_conferences(account_sid: str) -> Response:
    filters = params.given(FILTERS, request.args)
    query = listed(account_sid).where(*(CONFERENCES[name] == wanted for name, wanted in filters.items()))
    periods = {"DateCreated": CONFERENCES.date_created, "DateUpdated": CONFERENCES.date_updated}
    query = query.where(*given_periods(periods, request.args))
    found = api().read(lambda c: page(c, query, CONFERENCES.date_created, CONFERENCES.sid))
    return respond_list(KIND, found, [shown(row) for row in found.rows])


@route(routes, "GET", INSTANCE)
def fetch_conference(account_sid: str, sid: str) -> Response:
    return respond(KIND, shown(fetch(account_sid, sid)))


@route(routes, "POST", INSTANCE)
def change_conference(account_sid: str, sid: str) -> Response:
    """Ends it, or has a document said to all who are in. What is over is not found any more."""
    fetch(account_sid, sid)
    wanted = params.given(SETTINGS, request.form)
    done = True
    if url := wanted.get("announce_url"):
        method = wanted.get("announce_method", "POST")
        said = partial(control.announce, sid=sid, call_sid=None, url=url, method=method)
        done = api().live.settle(account_sid, said)
    if wanted.get("status"):
        done = api().live.settle(account_sid, partial(control.complete, sid=sid))
    if not done:
        raise not_found()
    return respond(KIND, shown(fetch(account_sid, sid)))


def listed(account_sid: str) -> Select[Any]:
    return select(models.Conference.__table__).where(CONFERENCES.account_sid == account_sid)


def fetch(account_sid: str, sid: str) -> Row[Any]:
    """The account's conference; ApiError 404/20404 when it has none of that SID."""
    row = api().read(lambda c: c.execute(listed(account_sid).where(CONFERENCES.sid == sid)).one_or_none())
    if row is None:
        raise not_found()
    return row


def shown(conference: Row[Any]) -> dict[str, Any]:
    place = (conference.account_sid, "Conferences", conference.sid)
    return {
        "sid": conference.sid,
        "account_sid": conference.account_sid,
        "friendly_name": conference.friendly_name,
        "status": conference.status,
        "region": None,
        "reason_conference_ended": conference.reason_ended,
        "call_sid_ending_conference": conference.call_sid_ending,
        "api_version": API_VERSION,
        "date_created": date(conference.date_created),
        "date_updated": date(conference.date_updated),
        "uri": path(*place),
        "subresource_uris": {
            "participants": path(*place, "Participants"),
            "recordings": path(*place, "Recordings"),
        },
    }

"""/Conferences/{CF}/Recordings: of a conference's mix; they end with it, or by REST (twilio-surface 5.10)."""

from functools import partial
from typing import Any

from flask import Blueprint, Response, request
from sqlalchemy import Row, Select

from callrouter.api import conferences, params, recordings
from callrouter.api.access import demand_active
from callrouter.api.context import api
from callrouter.api.paging import page
from callrouter.api.params import parameter
from callrouter.api.periods import given_periods
from callrouter.api.recordings import KIND, RECORDINGS
from callrouter.api.render import not_found, path, respond, respond_list
from callrouter.api.routes import route
from callrouter.calls.recordings import STOPPED
from callrouter.conferences import control
from foundation.webserver.errors import ApiError

COLLECTION = f"{conferences.INSTANCE}/Recordings"
INSTANCE = f"{COLLECTION}/<recording_sid>"
STATUS = parameter("Status", "status", params.choice((STOPPED, "paused", "in-progress")))

routes = Blueprint("conference_recordings", __name__)
routes.before_request(demand_active)


@route(routes, "GET", COLLECTION)
def list_recordings(account_sid: str, sid: str) -> Response:
    conferences.fetch(account_sid, sid)
    periods = given_periods({"DateCreated": RECORDINGS.date_created}, request.args)
    query = _listed(account_sid, sid).where(*periods)
    found = api().read(lambda c: page(c, query, RECORDINGS.date_created, RECORDINGS.sid))
    return respond_list(KIND, found, [_shown(row) for row in found.rows])


@route(routes, "GET", INSTANCE)
def fetch_recording(account_sid: str, sid: str, recording_sid: str) -> Response:
    return respond(KIND, _shown(_fetch(account_sid, sid, recording_sid)))


@route(routes, "POST", INSTANCE)
def change_recording(account_sid: str, sid: str, recording_sid: str) -> Response:
    """Ends it. A mix can't be paused."""
    _fetch(account_sid, sid, recording_sid)
    if params.given((STATUS,), request.form).get("status") != STOPPED:
        raise ApiError(
            400, 20001, "Status takes stopped: the recording of a conference can't be paused here."
        )
    stop = partial(control.stop_recording, sid=sid, recording_sid=recording_sid)
    if not api().live.settle(account_sid, stop):
        raise ApiError(400, 21220, f"Recording {recording_sid} is not in progress.")
    return respond(KIND, _shown(_fetch(account_sid, sid, recording_sid)))


@route(routes, "DELETE", INSTANCE)
def delete_recording(account_sid: str, sid: str, recording_sid: str) -> Response:
    _fetch(account_sid, sid, recording_sid)
    return recordings.delete_recording(account_sid, recording_sid)


def _listed(account_sid: str, sid: str) -> Select[Any]:
    return recordings.listed(account_sid, None).where(RECORDINGS.conference_sid == sid)


def _fetch(account_sid: str, sid: str, recording_sid: str) -> Row[Any]:
    """ApiError 404/20404 when the account has no such conference, or that no such recording."""
    conferences.fetch(account_sid, sid)
    query = _listed(account_sid, sid).where(RECORDINGS.sid == recording_sid)
    row = api().read(lambda c: c.execute(query).one_or_none())
    if row is None:
        raise not_found()
    return row


def _shown(row: Row[Any]) -> dict[str, Any]:
    whole = recordings.shown(row, of_call=False)
    of_media = ("media_url", "subresource_uris")
    values = {name: value for name, value in whole.items() if name not in of_media}
    return {**values, "uri": path(row.account_sid, "Conferences", row.conference_sid, "Recordings", row.sid)}

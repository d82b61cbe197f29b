"""/Recordings of an account and of a call, and their audio (https://www.twilio.com/docs/voice/api/recording)."""

from typing import Any

from flask import Blueprint, Response, request
from sqlalchemy import Row, Select, delete, select

from callrouter import models
from callrouter.api import calls, params
from callrouter.api.context import api
from callrouter.api.paging import page
from callrouter.api.params import parameter
from callrouter.api.periods import given_periods
from callrouter.api.render import (
    API_VERSION,
    PREFIX,
    Kind,
    date,
    deleted,
    not_found,
    path,
    respond,
    respond_list,
)
from callrouter.api.routes import route
from callrouter.media.client import MediaAnswer, MediaUnavailable
from foundation.sids import RECORDING, is_sid
from foundation.webserver.errors import ApiError

KIND = Kind(one="Recording", many="Recordings", key="recordings")
COLLECTION = "/Accounts/<account_sid>/Recordings"
OF_CALL = "/Accounts/<account_sid>/Calls/<call_sid>/Recordings"
CALL_SID = parameter("CallSid", "call_sid", params.text(34))
RECORDINGS = models.Recording.__table__.c
CONDITIONS = ("Range", "If-None-Match", "If-Modified-Since", "If-Range")

routes = Blueprint("recordings", __name__)


@route(routes, "GET", COLLECTION)
@route(routes, "GET", OF_CALL)
def list_recordings(account_sid: str, call_sid: str | None = None) -> Response:
    query = _listed(account_sid, call_sid)
    if of_call := params.given((CALL_SID,), request.args).get("call_sid"):
        query = query.where(RECORDINGS.call_sid == of_call)
    query = query.where(*given_periods({"DateCreated": RECORDINGS.date_created}, request.args))
    found = api().read(lambda c: page(c, query, RECORDINGS.date_created, RECORDINGS.sid))
    return respond_list(KIND, found, [_shown(row) for row in found.rows])


@route(routes, "GET", f"{COLLECTION}/<sid>", f"{OF_CALL}/<sid>", suffixes=(".json", ".xml"))
def fetch_recording(account_sid: str, sid: str, call_sid: str | None = None) -> Response:
    return respond(KIND, _shown(_found(account_sid, call_sid, sid)))


@route(routes, "GET", f"{COLLECTION}/<sid>", f"{OF_CALL}/<sid>", suffixes=("", ".wav", ".mp3"))
def fetch_audio(account_sid: str, sid: str, call_sid: str | None = None) -> Response:
    """What is heard, also in ranges; 404 while it is not stored, or when there is nothing to hear."""
    _found(account_sid, call_sid, sid)
    name = request.path.rpartition("/")[2]
    headers = {wanted: request.headers[wanted] for wanted in CONDITIONS if wanted in request.headers}
    answer = _ask(request.method, account_sid, name, headers)
    if answer.status == 404:
        raise not_found()
    return Response(answer.body, status=answer.status, headers=answer.headers)


@route(routes, "DELETE", f"{COLLECTION}/<sid>", f"{OF_CALL}/<sid>")
def delete_recording(account_sid: str, sid: str, call_sid: str | None = None) -> Response:
    """The audio first: what is not listed any more must not be anywhere."""
    row = _found(account_sid, call_sid, sid)
    _ask("DELETE", account_sid, sid)
    gone = delete(models.Recording).where(
        models.Recording.account_sid == account_sid, models.Recording.sid == row.sid
    )
    api().write(lambda c: c.execute(gone))
    return deleted()


def _ask(method: str, account_sid: str, name: str, headers: dict[str, str] | None = None) -> MediaAnswer:
    try:
        answer = api().media.recording(method, account_sid, name, headers)
    except MediaUnavailable as error:
        raise ApiError(503, 20503, f"{error}; try again.", {"Retry-After": "1"}) from error
    if answer.status >= 500:
        raise ApiError(503, 20503, "The media service could not serve it; try again.", {"Retry-After": "1"})
    return answer


def _found(account_sid: str, call_sid: str | None, sid: str) -> Row[Any]:
    query = _listed(account_sid, call_sid).where(RECORDINGS.sid == sid)
    row = api().read(lambda c: c.execute(query).one_or_none()) if is_sid(sid, RECORDING) else None
    if row is None:
        raise not_found()
    return row


def _listed(account_sid: str, call_sid: str | None) -> Select[Any]:
    query = select(models.Recording.__table__).where(RECORDINGS.account_sid == account_sid)
    if call_sid is None:
        return query
    calls.fetch(account_sid, call_sid)
    return query.where(RECORDINGS.call_sid == call_sid)


def _shown(recording: Row[Any]) -> dict[str, Any]:
    account_sid, sid = recording.account_sid, recording.sid
    media = f"{PREFIX}/Accounts/{account_sid}/Recordings/{sid}"
    return {
        "sid": sid,
        "account_sid": account_sid,
        "call_sid": recording.call_sid,
        "conference_sid": None,
        "status": recording.status,
        "source": recording.source,
        "channels": recording.channels,
        "duration": None if recording.duration is None else str(recording.duration),
        "start_time": date(recording.start_time),
        "error_code": recording.error_code,
        "price": None,
        "price_unit": "USD",
        "encryption_details": None,
        "api_version": API_VERSION,
        "date_created": date(recording.date_created),
        "date_updated": date(recording.date_updated),
        "uri": path(account_sid, "Recordings", sid),
        "media_url": f"{request.host_url.rstrip('/')}{media}",
        "subresource_uris": {
            "add_on_results": f"{media}/AddOnResults.json",
            "transcriptions": f"{media}/Transcriptions.json",
        },
    }

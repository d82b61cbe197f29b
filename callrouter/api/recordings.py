"""/Recordings of an account and of a call, and their audio (https://www.twilio.com/docs/voice/api/recording)."""

from typing import Any

from flask import Blueprint, Response, request
from sqlalchemy import Row, Select, delete, select, update

from callrouter import models
from callrouter.api import calls, files, params
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
from callrouter.calls.recordings import DELETED, LIVE
from foundation.sids import RECORDING, is_sid

KIND = Kind(one="Recording", many="Recordings", key="recordings")
COLLECTION = "/Accounts/<account_sid>/Recordings"
OF_CALL = "/Accounts/<account_sid>/Calls/<call_sid>/Recordings"
PARENTS = (
    parameter("CallSid", "call_sid", params.text(34)),
    parameter("ConferenceSid", "conference_sid", params.text(34)),
)
RECORDINGS = models.Recording.__table__.c

routes = Blueprint("recordings", __name__)


@route(routes, "GET", COLLECTION)
@route(routes, "GET", OF_CALL)
def list_recordings(account_sid: str, call_sid: str | None = None) -> Response:
    query = listed(account_sid, call_sid)
    parents = params.given(PARENTS, request.args)
    query = query.where(*(RECORDINGS[name] == sid for name, sid in parents.items() if sid))
    query = query.where(*given_periods({"DateCreated": RECORDINGS.date_created}, request.args))
    some = api().read(lambda c: page(c, query, RECORDINGS.date_created, RECORDINGS.sid))
    return respond_list(KIND, some, [shown(row, of_call=call_sid is not None) for row in some.rows])


@route(routes, "GET", f"{COLLECTION}/<sid>", f"{OF_CALL}/<sid>", suffixes=(".json", ".xml"))
def fetch_recording(account_sid: str, sid: str, call_sid: str | None = None) -> Response:
    return respond(KIND, shown(found(account_sid, call_sid, sid), of_call=call_sid is not None))


@route(routes, "GET", f"{COLLECTION}/<sid>", f"{OF_CALL}/<sid>", suffixes=("", ".wav", ".mp3"))
def fetch_audio(account_sid: str, sid: str, call_sid: str | None = None) -> Response:
    """What is heard, also in ranges; 404 while it is not stored, or when there is nothing to hear."""
    found(account_sid, call_sid, sid)
    return files.serve(api().media.recording, account_sid, request.path.rpartition("/")[2])


@route(routes, "DELETE", f"{COLLECTION}/<sid>", f"{OF_CALL}/<sid>")
def delete_recording(account_sid: str, sid: str, call_sid: str | None = None) -> Response:
    """The audio first: what is not listed any more must not be anywhere.

    What goes on is ended, not listed any more, and thrown away once it has been stored.
    """
    row = found(account_sid, call_sid, sid)
    if row.status in LIVE and _hide(account_sid, sid):
        api().live.steer_recording(account_sid, row.call_sid, sid, "stopped", skip=False)
        return deleted()
    files.remove(api().media.recording, account_sid, sid)
    gone = delete(models.Recording).where(
        models.Recording.account_sid == account_sid, models.Recording.sid == row.sid
    )
    api().write(lambda c: c.execute(gone))
    return deleted()


def _hide(account_sid: str, sid: str) -> bool:
    """False when the recording was quicker to end."""
    mine = (models.Recording.account_sid == account_sid, models.Recording.sid == sid)
    hide = update(models.Recording).where(*mine, models.Recording.status.in_(LIVE)).values(status=DELETED)
    return bool(api().write(lambda c: c.execute(hide).rowcount))


def found(account_sid: str, call_sid: str | None, sid: str) -> Row[Any]:
    """The account's recording, of that call if one is named; ApiError 404/20404 when there is none."""
    query = listed(account_sid, call_sid).where(RECORDINGS.sid == sid)
    row = api().read(lambda c: c.execute(query).one_or_none()) if is_sid(sid, RECORDING) else None
    if row is None:
        raise not_found()
    return row


def listed(account_sid: str, call_sid: str | None) -> Select[Any]:
    query = select(models.Recording.__table__).where(
        RECORDINGS.account_sid == account_sid, RECORDINGS.status != DELETED
    )
    if call_sid is None:
        return query
    calls.fetch(account_sid, call_sid)
    return query.where(RECORDINGS.call_sid == call_sid)


def shown(recording: Row[Any], *, of_call: bool) -> dict[str, Any]:
    """As its call has it, or as the account has it, with its media."""
    account_sid, sid = recording.account_sid, recording.sid
    values = {
        "sid": sid,
        "account_sid": account_sid,
        "call_sid": recording.call_sid,
        "conference_sid": recording.conference_sid,
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
    }
    if of_call:
        uri = path(account_sid, "Calls", recording.call_sid, "Recordings", sid)
        return {**values, "track": recording.track, "uri": uri}
    media = f"{PREFIX}/Accounts/{account_sid}/Recordings/{sid}"
    return {
        **values,
        "uri": path(account_sid, "Recordings", sid),
        "media_url": f"{request.host_url.rstrip('/')}{media}",
        "subresource_uris": {
            "add_on_results": f"{media}/AddOnResults.json",
            "transcriptions": f"{media}/Transcriptions.json",
        },
    }

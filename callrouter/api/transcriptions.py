"""/Transcriptions of an account and of a recording (https://www.twilio.com/docs/voice/api/recording-transcription)."""

from typing import Any

from flask import Blueprint, Response, request
from sqlalchemy import Row, Select, delete, select

from callrouter import models
from callrouter.api import recordings
from callrouter.api.context import api
from callrouter.api.paging import page
from callrouter.api.periods import given_periods
from callrouter.api.render import (
    API_VERSION,
    Kind,
    date,
    deleted,
    not_found,
    path,
    respond,
    respond_list,
)
from callrouter.api.routes import SUFFIXES, route
from foundation.sids import TRANSCRIPTION, is_sid

KIND = Kind(one="Transcription", many="Transcriptions", key="transcriptions")
COLLECTION = "/Accounts/<account_sid>/Transcriptions"
OF_RECORDING = "/Accounts/<account_sid>/Recordings/<recording_sid>/Transcriptions"
TRANSCRIPTIONS = models.Transcription.__table__.c

routes = Blueprint("transcriptions", __name__)


@route(routes, "GET", COLLECTION)
@route(routes, "GET", OF_RECORDING)
def list_transcriptions(account_sid: str, recording_sid: str | None = None) -> Response:
    query = _listed(account_sid, recording_sid)
    query = query.where(*given_periods({"DateCreated": TRANSCRIPTIONS.date_created}, request.args))
    found = api().read(lambda c: page(c, query, TRANSCRIPTIONS.date_created, TRANSCRIPTIONS.sid))
    return respond_list(KIND, found, [_shown(row) for row in found.rows])


@route(routes, "GET", f"{COLLECTION}/<sid>", f"{OF_RECORDING}/<sid>", suffixes=(*SUFFIXES, ".txt"))
def fetch_transcription(account_sid: str, sid: str, recording_sid: str | None = None) -> Response:
    """`.txt` is the text alone."""
    row = _found(account_sid, recording_sid, sid)
    if request.path.endswith(".txt"):
        return Response(row.text, content_type="text/plain; charset=utf-8")
    return respond(KIND, _shown(row))


@route(routes, "DELETE", f"{COLLECTION}/<sid>", f"{OF_RECORDING}/<sid>")
def delete_transcription(account_sid: str, sid: str, recording_sid: str | None = None) -> Response:
    row = _found(account_sid, recording_sid, sid)
    gone = delete(models.Transcription).where(
        models.Transcription.account_sid == account_sid, models.Transcription.sid == row.sid
    )
    api().write(lambda c: c.execute(gone))
    return deleted()


def _found(account_sid: str, recording_sid: str | None, sid: str) -> Row[Any]:
    query = _listed(account_sid, recording_sid).where(TRANSCRIPTIONS.sid == sid)
    row = api().read(lambda c: c.execute(query).one_or_none()) if is_sid(sid, TRANSCRIPTION) else None
    if row is None:
        raise not_found()
    return row


def _listed(account_sid: str, recording_sid: str | None) -> Select[Any]:
    query = select(models.Transcription.__table__).where(TRANSCRIPTIONS.account_sid == account_sid)
    if recording_sid is None:
        return query
    recordings.found(account_sid, None, recording_sid)
    return query.where(TRANSCRIPTIONS.recording_sid == recording_sid)


def _shown(transcription: Row[Any]) -> dict[str, Any]:
    return {
        "sid": transcription.sid,
        "account_sid": transcription.account_sid,
        "recording_sid": transcription.recording_sid,
        "status": transcription.status,
        "transcription_text": transcription.text,
        "type": "fast",
        "duration": str(transcription.duration),
        "price": None,
        "price_unit": "USD",
        "api_version": API_VERSION,
        "date_created": date(transcription.date_created),
        "date_updated": date(transcription.date_updated),
        "uri": path(transcription.account_sid, "Transcriptions", transcription.sid),
    }

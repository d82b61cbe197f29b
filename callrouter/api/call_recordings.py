"""Recordings of a live call: begun, paused, taken up again and ended by REST (twilio-surface 5.7)."""

from flask import Blueprint, Response, request

from callrouter.api import calls, params, recordings
from callrouter.api.access import demand_active
from callrouter.api.context import api
from callrouter.api.params import parameter
from callrouter.api.recording_form import recording
from callrouter.api.render import not_found, respond
from callrouter.api.routes import route
from callrouter.calls.recordings import LIVE
from foundation.webserver.errors import ApiError

CURRENT = "Twilio.CURRENT"
STEERING = (
    parameter("Status", "status", params.choice(("in-progress", "paused", "stopped"))),
    parameter("PauseBehavior", "pause", params.choice(("skip", "silence"))),
)

routes = Blueprint("call_recordings", __name__)
routes.before_request(demand_active)


@route(routes, "POST", recordings.OF_CALL)
def start_recording(account_sid: str, call_sid: str) -> Response:
    calls.fetch(account_sid, call_sid)
    wanted = recording(request.form, "StartCallRecordingAPI", trim="do-not-trim")
    sid = api().live.start_recording(account_sid, call_sid, wanted)
    found = recordings.found(account_sid, call_sid, sid)
    return respond(recordings.KIND, recordings.shown(found, of_call=True), 201)


@route(routes, "POST", f"{recordings.OF_CALL}/<name>")
def change_recording(account_sid: str, call_sid: str, name: str) -> Response:
    """By its SID, or as Twilio.CURRENT: the one that goes on."""
    live = api().live
    calls.fetch(account_sid, call_sid)
    wanted = params.given(STEERING, request.form)
    if "status" not in wanted:
        raise ApiError(400, 20001, "Status is required: in-progress, paused or stopped.")
    sid = live.current_recording(account_sid, call_sid) if name == CURRENT else name
    if sid is None:
        raise not_found()
    row = recordings.found(account_sid, call_sid, sid)
    skip = wanted.get("pause") == "skip"
    steered = row.status in LIVE and live.steer_recording(
        account_sid, call_sid, sid, wanted["status"], skip=skip
    )
    if not steered:
        raise ApiError(400, 21220, f"Recording {sid} is not in progress: it can't be changed any more.")
    return respond(
        recordings.KIND, recordings.shown(recordings.found(account_sid, call_sid, sid), of_call=True)
    )

"""Streams of a live call to a WebSocket (https://www.twilio.com/docs/voice/api/stream-resource)."""

from typing import Any, Literal, cast

from flask import Blueprint, Response, request
from sqlalchemy import Row, select
from werkzeug.datastructures import MultiDict

from callrouter import models
from callrouter.api import calls, params
from callrouter.api.access import demand_active
from callrouter.api.context import api
from callrouter.api.params import parameter
from callrouter.api.render import Kind, date, not_found, path, respond
from callrouter.api.routes import route
from callrouter.calls.streams import IN_PROGRESS
from foundation.webserver.errors import ApiError
from instructions.attributes import SOCKET_URL
from instructions.commands import StartStream, StreamCallback
from instructions.verbs.streams import MAX_PARAMETER

KIND = Kind(one="Stream", many="Streams", key="streams")
COLLECTION = "/Accounts/<account_sid>/Calls/<call_sid>/Streams"
MOST_PARAMETERS = 99
INVALID_URL = 31922
TRACKS = {"inbound_track": "inbound", "outbound_track": "outbound", "both_tracks": "both"}


def _socket_url(name: str, value: str) -> str:
    """Without its query, as in <Stream>: what the app is to know are parameters."""
    try:
        url = SOCKET_URL.read(value)
    except ValueError as error:
        raise ApiError(400, INVALID_URL, f"{name}: {error}.") from error
    if not url.lower().startswith(("wss://", "ws://")):
        raise ApiError(400, INVALID_URL, f"{name} begins with wss://.")
    return str(url).partition("#")[0].partition("?")[0]


SETTINGS = (
    parameter("Url", "url", _socket_url),
    parameter("Name", "name", params.text(64)),
    parameter("Track", "track", params.choice(TRACKS)),
    parameter("StatusCallback", "callback", params.url(21609)),
    parameter("StatusCallbackMethod", "method", params.method(21609)),
)
STATUS = parameter("Status", "status", params.choice(("stopped",)))

routes = Blueprint("streams", __name__)
routes.before_request(demand_active)


@route(routes, "POST", COLLECTION)
def start_stream(account_sid: str, call_sid: str) -> Response:
    calls.fetch(account_sid, call_sid)
    given = params.given(SETTINGS, request.form)
    if not given.get("url"):
        raise ApiError(400, INVALID_URL, "Url is required: where the audio goes, wss://…")
    callback = given.get("callback")
    wanted = StartStream(
        stream="",
        url=given["url"],
        name=given.get("name") or None,
        track=cast(Literal["inbound", "outbound", "both"], TRACKS[given.get("track", "inbound_track")]),
        bidirectional=False,
        parameters=_parameters(request.form),
        callback=StreamCallback(url=callback, method=given.get("method", "POST")) if callback else None,
    )
    sid = api().live.start_stream(account_sid, call_sid, wanted)
    row = _find(account_sid, call_sid, sid)
    if row is None:
        raise ApiError(400, 21220, f"Call {call_sid} has ended: nothing is streamed.")
    return respond(KIND, _shown(row))


@route(routes, "POST", f"{COLLECTION}/<name>")
def stop_stream(account_sid: str, call_sid: str, name: str) -> Response:
    """By its SID or its name."""
    calls.fetch(account_sid, call_sid)
    row = _find(account_sid, call_sid, name) if name.isprintable() else None
    if row is None:
        raise not_found()
    if params.given((STATUS,), request.form) and row.status == IN_PROGRESS:
        api().live.stop_stream(account_sid, call_sid, row.sid)
    return respond(KIND, {**_shown(row), "status": "stopped"})


def _parameters(form: MultiDict[str, str]) -> tuple[tuple[str, str], ...]:
    """`Parameter1.Name` and `Parameter1.Value`, up to 99 of them."""
    pairs = []
    for number in range(1, MOST_PARAMETERS + 1):
        name, value = (form.get(f"Parameter{number}.{part}", "") for part in ("Name", "Value"))
        if len(name) + len(value) >= MAX_PARAMETER:
            raise ApiError(400, 20001, f"Parameter{number} is longer than {MAX_PARAMETER} characters.")
        if name:
            pairs.append((name, value))
    return tuple(pairs)


def _find(account_sid: str, call_sid: str, name: str) -> Row[Any] | None:
    """The call's stream of that SID, else its newest of that name."""
    streams = models.Stream.__table__.c
    query = (
        select(models.Stream.__table__)
        .where(streams.account_sid == account_sid, streams.call_sid == call_sid)
        .where((streams.sid == name) | (streams.name == name))
        .order_by(streams.date_created.desc(), streams.sid)
    )
    return api().read(lambda c: c.execute(query.limit(1)).one_or_none())


def _shown(stream: Row[Any]) -> dict[str, Any]:
    return {
        "sid": stream.sid,
        "account_sid": stream.account_sid,
        "call_sid": stream.call_sid,
        "name": stream.name,
        "status": stream.status,
        "date_updated": date(stream.date_updated),
        "uri": path(stream.account_sid, "Calls", stream.call_sid, "Streams", stream.sid),
    }

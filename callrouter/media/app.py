"""The media service's HTTP face (docs/protocols/media.md)."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any

from flask import Blueprint, Flask, Response, jsonify, request
from prometheus_client import Counter, Histogram

from callrouter.media.files import Files
from callrouter.media.recordings import TYPES, Recordings
from callrouter.media.shelf import Shelf
from callrouter.media.sound import Sound
from callrouter.media.speech.speaker import Utterance
from callrouter.media.speech.speech import FOREVER, Speech
from foundation.keys import Keys
from foundation.sids import ACCOUNT, RECORDING, is_sid
from foundation.webserver.errors import ApiError, handle_errors
from foundation.webserver.health import Check, health
from foundation.webserver.service import demand_service

AUDIENCE = "media"

REQUESTS = Counter("callrouter_media_requests_total", "Sounds asked for.", ["kind", "outcome"])
SECONDS = Histogram(
    "callrouter_media_seconds",
    "Until the sound was there.",
    ["kind", "outcome"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1, 2.5, 5, 15, 60),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Parts:
    """What the service stands on."""

    keys: Keys
    shelf: Shelf
    files: Files
    speech: Speech
    recordings: Recordings
    checks: dict[str, Check]


def create_app(parts: Parts) -> Flask:
    """All of the HTTP API."""
    app = Flask("media", static_folder=None)
    app.register_blueprint(_api(parts))
    app.register_blueprint(health(parts.checks))
    handle_errors(app)
    return app


def _api(parts: Parts) -> Blueprint:
    api = Blueprint("media", __name__, url_prefix="/v1/Accounts/<account>")
    api.before_request(demand_service(parts.keys, AUDIENCE))

    @api.url_value_preprocessor
    def account_exists(_endpoint: str | None, values: dict[str, Any] | None) -> None:
        if not is_sid((values or {}).get("account", ""), ACCOUNT):
            raise ApiError(404, 20404, "There is no such account.")

    @api.get("/files")
    def file(account: str) -> Response:
        url = _given("url")
        return _answer(account, _measured("file", lambda: parts.files.sound(account, url)))

    @api.delete("/files")
    def purge(account: str) -> Response:
        url, prefix = request.args.get("url"), request.args.get("prefix", "")
        shown = None if url is None else parts.files.shown(url)

        def chosen(facts: dict[str, Any]) -> bool:
            kept: str = facts.get("url", "")
            return kept.startswith(prefix) if shown is None else kept == shown

        return jsonify(purged=parts.shelf.purge(account, chosen))

    @api.get("/speech")
    def speech(account: str) -> Response:
        utterance = Utterance(
            text=_given("text"),
            markup=_one_of("markup", {"0": False, "1": True}),
            voice=request.args.get("voice", ""),
            language=request.args.get("language", ""),
        )
        return _answer(account, _measured("speech", lambda: parts.speech.sound(account, utterance)))

    @api.get("/sounds/<key>")
    def sound(account: str, key: str) -> Response:
        kept = parts.shelf.get(account, key)
        if kept is None or "etag" not in kept.facts:
            raise ApiError(404, 20404, "This sound is not kept; ask by its text or URL.")
        return _sound(kept.body, "audio/basic", kept.facts["etag"], FOREVER)

    @api.put("/recordings/<sid>")
    def put_recording(account: str, sid: str) -> tuple[Response, int]:
        channels = _one_of("channels", {"1": 1, "2": 2})
        trim = _one_of("trim", {"0": False, "1": True})
        facts = parts.recordings.put(
            account, _recording(sid), request.get_data(), channels=channels, trim=trim
        )
        return jsonify(dataclasses.asdict(facts)), 201

    @api.get("/recordings/<name>")
    def recording(account: str, name: str) -> Response:
        sid, _, kind = name.partition(".")
        kind = kind or "wav"
        body = parts.recordings.rendition(account, _recording(sid), kind) if kind in TYPES else None
        if body is None:
            raise ApiError(404, 20404, f"There is no recording {name[:80]}.")
        return _sound(body, TYPES[kind], f"{sid}.{kind}", "private, max-age=3600")

    @api.delete("/recordings/<sid>")
    def delete_recording(account: str, sid: str) -> tuple[str, int]:
        parts.recordings.delete(account, _recording(sid))
        return "", 204

    return api


def _measured(kind: str, get: Callable[[], Sound]) -> Sound:
    began, outcome = time.perf_counter(), "error"
    try:
        sound = get()
        outcome = sound.outcome.value
        return sound
    finally:
        REQUESTS.labels(kind, outcome).inc()
        SECONDS.labels(kind, outcome).observe(time.perf_counter() - began)


def _answer(account: str, sound: Sound) -> Response:
    response = _sound(sound.body, "audio/basic", sound.etag, sound.cache_control)
    response.headers["Content-Location"] = f"/v1/Accounts/{account}/sounds/{sound.key}"
    response.headers["X-Cache"] = sound.outcome.value
    return response


def _sound(body: bytes, content_type: str, etag: str, cache_control: str) -> Response:
    """Whole, or the range that was asked for, or 304 (MD-6)."""
    response = Response(body, content_type=content_type)
    response.set_etag(etag)
    response.headers["Cache-Control"] = cache_control
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response.make_conditional(request, accept_ranges=True, complete_length=len(body))  # type: ignore[return-value]


def _given(name: str) -> str:
    if name not in request.args:
        raise ApiError(400, 20001, f"The parameter {name!r} is missing.")
    return request.args[name]


def _one_of(name: str, values: dict[str, Any]) -> Any:
    """The first of the values when it is not given."""
    given = request.args.get(name, next(iter(values)))
    if given not in values:
        raise ApiError(400, 20001, f"The parameter {name!r} must be one of {', '.join(values)}.")
    return values[given]


def _recording(sid: str) -> str:
    if not is_sid(sid, RECORDING):
        raise ApiError(404, 20404, f"There is no recording {sid[:80]}.")
    return sid

"""The media service's HTTP face (docs/protocols/media.md)."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any, TypeVar

from flask import Blueprint, Flask, Response, jsonify, request
from prometheus_client import Counter, Histogram

from callrouter.media.attachments import Attachments
from callrouter.media.files import Files
from callrouter.media.music import CACHE_CONTROL, Music
from callrouter.media.recognition.recogniser import Heard
from callrouter.media.recognition.recognition import Recognition
from callrouter.media.recordings import TYPES, Recordings
from callrouter.media.shelf import Shelf
from callrouter.media.sound import Sound
from callrouter.media.speech.speaker import Utterance
from callrouter.media.speech.speech import FOREVER, Speech
from foundation.keys import Keys
from foundation.sids import ACCOUNT, MEDIA, RECORDING, is_sid
from foundation.webserver.application import Application
from foundation.webserver.errors import ApiError, handle_errors
from foundation.webserver.health import Check, health
from foundation.webserver.peers import demand_service

AUDIENCE = "media"
MULAW = ("audio/basic", "audio/mulaw", "audio/x-mulaw", "audio/ulaw", "audio/x-ulaw")

T = TypeVar("T")

REQUESTS = Counter("callrouter_media_requests_total", "Sounds and texts asked for.", ["kind", "outcome"])
SECONDS = Histogram(
    "callrouter_media_seconds",
    "Until the sound or the text was there.",
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
    recognition: Recognition
    recordings: Recordings
    attachments: Attachments
    music: Music
    checks: dict[str, Check]
    metrics_token: str = ""


def create_app(parts: Parts) -> Flask:
    """All of the HTTP API."""
    app = Application("media")
    app.register_blueprint(_api(parts))
    app.register_blueprint(_attachments(parts))
    app.register_blueprint(_music(parts))
    app.register_blueprint(health(parts.checks, metrics_token=parts.metrics_token))
    handle_errors(app)
    return app


def _api(parts: Parts) -> Blueprint:
    api = _of_accounts("media", parts.keys)

    @api.get("/files")
    def file(account: str) -> Response:
        url = _given("url")
        sound = _measured("file", lambda: parts.files.sound(account, url), _how)
        return _answer(account, sound)

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
        sound = _measured("speech", lambda: parts.speech.sound(account, utterance), _how)
        return _answer(account, sound)

    @api.get("/sounds/<key>")
    def sound(account: str, key: str) -> Response:
        kept = parts.shelf.get(account, key)
        if kept is None or "etag" not in kept.facts:
            raise ApiError(404, 20404, "This sound is not kept; ask by its text or URL.")
        return _sound(kept.body, "audio/basic", kept.facts["etag"], FOREVER)

    @api.post("/recognitions")
    def recognise(account: str) -> Response:
        language = request.args.get("language", "")
        hints = [hint.strip() for hint in request.args.get("hints", "").split(",") if hint.strip()]
        partial, mulaw = _one_of("partial", {"0": False, "1": True}), _utterance()
        ask = parts.recognition.heard
        return _text(
            "recognition",
            lambda: ask(account, mulaw, language=language, hints=hints, partial=partial),
        )

    @api.post("/recordings/<sid>/transcription")
    def transcribe(account: str, sid: str) -> Response:
        language = request.args.get("language", "")
        recording = parts.recordings.sound(account, _recording(sid))
        if recording is None:
            raise ApiError(404, 20404, f"There is no recording {sid}.")
        ask = parts.recognition.transcribed
        return _text("transcription", lambda: ask(account, *recording, language=language))

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


def _attachments(parts: Parts) -> Blueprint:
    """The media of messages."""
    api = _of_accounts("attachments", parts.keys)

    @api.put("/attachments/<sid>")
    def put(account: str, sid: str) -> tuple[Response, int]:
        body = request.get_data()
        kind = parts.attachments.put(account, _known(sid, MEDIA), body, request.content_type or "")
        return jsonify(content_type=kind, size=len(body)), 201

    @api.get("/attachments/<sid>")
    def get(account: str, sid: str) -> Response:
        kept = parts.attachments.get(account, _known(sid, MEDIA))
        if kept is None:
            raise ApiError(404, 20404, f"There are no media {sid}.")
        return _sound(kept.body, kept.facts["content_type"], kept.facts["etag"], "private, max-age=3600")

    @api.delete("/attachments/<sid>")
    def delete(account: str, sid: str) -> tuple[str, int]:
        parts.attachments.delete(account, _known(sid, MEDIA))
        return "", 204

    return api


def _of_accounts(name: str, keys: Keys) -> Blueprint:
    """Routes of one account each, for our own servers only."""
    api = Blueprint(name, __name__, url_prefix="/v1/Accounts/<account>")
    api.before_request(demand_service(keys, AUDIENCE))

    @api.url_value_preprocessor
    def account_exists(_endpoint: str | None, values: dict[str, Any] | None) -> None:
        if not is_sid((values or {}).get("account", ""), ACCOUNT):
            raise ApiError(404, 20404, "There is no such account.")

    return api


def _music(parts: Parts) -> Blueprint:
    """The deployment's own, the same for every account."""
    api = Blueprint("music", __name__, url_prefix="/v1")
    api.before_request(demand_service(parts.keys, AUDIENCE))

    @api.get("/music")
    def music() -> Response:
        tune = parts.music.tune()
        return _sound(tune.body, "audio/basic", tune.etag, CACHE_CONTROL)

    return api


def _measured(kind: str, get: Callable[[], T], how: Callable[[T], str]) -> T:
    began, outcome = time.perf_counter(), "error"
    try:
        got = get()
        outcome = how(got)
        return got
    finally:
        REQUESTS.labels(kind, outcome).inc()
        SECONDS.labels(kind, outcome).observe(time.perf_counter() - began)


def _how(sound: Sound) -> str:
    return sound.outcome.value


def _text(kind: str, get: Callable[[], Heard]) -> Response:
    heard = _measured(kind, get, lambda heard: "heard" if heard.text else "nothing")
    return jsonify(dataclasses.asdict(heard))


def _utterance() -> bytes:
    """The body, which is mu-law."""
    declared = request.mimetype
    if declared not in MULAW:
        raise ApiError(415, 12300, f"Speech comes as audio/basic (8 kHz mu-law), not as {declared[:80]!r}.")
    if not (mulaw := request.get_data()):
        raise ApiError(400, 20001, "There is no sound in the request. The fault is the sender's.")
    return mulaw


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
    return _known(sid, RECORDING)


def _known(sid: str, prefix: str) -> str:
    if not is_sid(sid, prefix):
        raise ApiError(404, 20404, f"There is nothing under {sid[:80]}.")
    return sid

"""What the blueprints share: the caller, the clock, waiting for a commit, and the names in addresses."""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeVar

from flask import Flask, Response, jsonify
from prometheus_client import Counter

from foundation.settings import Settings
from foundation.sids import is_sid
from foundation.webserver.errors import ApiError, error_body
from presence import fields
from presence.access.callers import Access
from presence.access.directory import Directory
from presence.access.refusals import AccessRefused, Refusal
from presence.faults import CallerFault
from presence.identity import is_client_name
from presence.joining import StatusUnknown
from presence.registration import StaleVersion
from presence.signalling.doorway import Door
from presence.store import NotRegistered, Store

T = TypeVar("T")

STORE_SECONDS = 10.0
REFUSALS = Counter(
    "presence_refusals_total", "Requests over HTTP that a token did not allow, by code.", ["code"]
)


@dataclass(frozen=True, kw_only=True)
class Api:
    """What every blueprint is made with."""

    settings: Settings
    access: Access
    directory: Directory
    store: Store
    door: Door
    now: Callable[[], float]


def stored(future: "Future[T]") -> T:
    return future.result(STORE_SECONDS)


def sid(text: str, prefix: str) -> str:
    if not is_sid(text, prefix):
        raise ApiError(404, 20404, f"There is no {prefix} resource of that SID.")
    return text


def client_name(client: str) -> str:
    if not is_client_name(client):
        raise ApiError(400, 31105, f"Not a client name: {Refusal.IDENTITY.value.message}.")
    return client


def handle_refusals(app: Flask) -> None:
    """Faults of clients and of accounts' servers, as JSON with their codes (PR-4)."""

    @app.errorhandler(AccessRefused)
    def refused(error: AccessRefused) -> tuple[Response, int, dict[str, str]]:
        codes = error.codes
        REFUSALS.labels(str(codes.rest)).inc()
        message = f"Refused: {error.message} ({codes.signal})."
        wait = {"Retry-After": str(error.retry_after)} if error.retry_after else {}
        return jsonify(error_body(codes.status, codes.rest, message)), codes.status, wait

    @app.errorhandler(StaleVersion)
    def stale(error: StaleVersion) -> tuple[Response, int]:
        return jsonify(error_body(409, 20409, f"Refused: {error}.")), 409

    @app.errorhandler(CallerFault)
    def fault(error: CallerFault) -> tuple[Response, int]:
        return jsonify(error_body(error.status, error.code, str(error))), error.status

    @app.errorhandler(StatusUnknown)
    def unknown(error: StatusUnknown) -> tuple[Response, int]:
        fault = fields.invalid(f"There is no status {str(error)!r}.")
        return jsonify(error_body(fault.status, fault.code, fault.message)), fault.status

    @app.errorhandler(NotRegistered)
    def gone(_error: NotRegistered) -> tuple[Response, int]:
        return jsonify(error_body(404, 20404, "There is no such live registration.")), 404

"""`/livez`: the process runs. `/readyz`: it can do its work, or why not. `/metrics`: counters for Prometheus.

Balancers and supervisors ask the first two without a key. Counters say how much business there is, so they are for
programs on this machine, or for whoever has the token.
"""

import hmac
import ipaddress
import time
from collections.abc import Callable, Mapping
from threading import Lock
from types import MappingProxyType

from flask import Blueprint, Response, jsonify, request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from foundation.webserver.counting import begin_request, count_request
from foundation.webserver.errors import ApiError

Check = Callable[[], str | None]
NO_CHECKS: Mapping[str, Check] = MappingProxyType({})
FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via")
"""Headers that proxies add: who asks through one on this machine is a stranger."""


def health(
    checks: Mapping[str, Check], *, warnings: Mapping[str, Check] = NO_CHECKS, metrics_token: str = ""
) -> Blueprint:
    """A check answers None when all is well, else a sentence for the operator.

    A fault of `checks` takes this process out of service; one of `warnings` is said only, because every other process
    would have it too.
    """
    blueprint = Blueprint("health", __name__)
    blueprint.before_app_request(begin_request)
    blueprint.after_app_request(count_request)

    @blueprint.get("/livez")
    def livez() -> Response:
        return jsonify(status="ok")

    @blueprint.get("/readyz")
    def readyz() -> tuple[Response, int]:
        faults, doubts = _faults(checks), _faults(warnings)
        told = {"warnings": doubts} if doubts else {}
        return jsonify(status="degraded" if faults else "ok", faults=faults, **told), 503 if faults else 200

    @blueprint.get("/metrics")
    def metrics() -> Response:
        _demand_right(metrics_token)
        return Response(generate_latest(), content_type=CONTENT_TYPE_LATEST)

    return blueprint


def remembered(check: Check, seconds: float) -> Check:
    """The check, made once in so many seconds however often it is asked for, and by one at a time."""
    lock, kept = Lock(), (float("-inf"), "")

    def again() -> str | None:
        nonlocal kept
        with lock:
            at, fault = kept
            if time.monotonic() - at > seconds:
                fault = _outcome(check) or ""
                kept = time.monotonic(), fault
            return fault or None

    return again


def _faults(checks: Mapping[str, Check]) -> dict[str, str]:
    return {name: fault for name, check in checks.items() if (fault := _outcome(check))}


def _outcome(check: Check) -> str | None:
    try:
        return check()
    except Exception as error:
        return f"the check itself failed: {type(error).__name__}"


def _demand_right(token: str) -> None:
    """ApiError 401 or 403 when who asks may not see the counters."""
    if token:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode(), token.encode()):
            raise ApiError(
                401,
                20003,
                "Send CALLROUTER_METRICS_TOKEN as a bearer token.",
                {"WWW-Authenticate": "Bearer"},
            )
        return
    here = ipaddress.ip_address(request.remote_addr or "0.0.0.0").is_loopback  # noqa: S104
    if not here or any(name in request.headers for name in FORWARDED):
        reason = (
            "Metrics are for this machine only; set CALLROUTER_METRICS_TOKEN to read them from elsewhere."
        )
        raise ApiError(403, 20003, reason)

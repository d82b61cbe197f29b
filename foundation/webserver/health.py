"""`/livez`: the process runs. `/readyz`: it can do its work, or why not. `/metrics`: counters."""

from collections.abc import Callable, Mapping

from flask import Blueprint, Response, jsonify
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

Check = Callable[[], str | None]


def health(checks: Mapping[str, Check]) -> Blueprint:
    """A check answers None when all is well, else a sentence for the operator."""
    blueprint = Blueprint("health", __name__)

    @blueprint.get("/livez")
    def livez() -> Response:
        return jsonify(status="ok")

    @blueprint.get("/readyz")
    def readyz() -> tuple[Response, int]:
        faults = {name: fault for name, check in checks.items() if (fault := _outcome(check))}
        return jsonify(status="degraded" if faults else "ok", faults=faults), 503 if faults else 200

    @blueprint.get("/metrics")
    def metrics() -> Response:
        return Response(generate_latest(), content_type=CONTENT_TYPE_LATEST)

    return blueprint


def _outcome(check: Check) -> str | None:
    try:
        return check()
    except Exception as error:
        return f"the check itself failed: {type(error).__name__}"

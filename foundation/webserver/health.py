"""`/livez`: the process runs. `/readyz`: it can do its work, or why not. `/metrics`: counters."""

from collections.abc import Callable, Mapping

from flask import Blueprint, Response, jsonify
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import text

from foundation.db import Database

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


def database_check(database: Database) -> Check:
    """Whether the database answers."""

    def check() -> str | None:
        try:
            with database.read() as connection:
                connection.execute(text("SELECT 1"))
        except Exception as error:
            return f"the database cannot be read: {type(error).__name__}"
        return None

    return check


def _outcome(check: Check) -> str | None:
    try:
        return check()
    except Exception as error:
        return f"the check itself failed: {type(error).__name__}"

"""Error answers in Twilio's shape: exactly `code`, `message`, `more_info`, `status` (twilio-surface 5.3)."""

from typing import Any

import structlog
from flask import Flask, Response, jsonify
from werkzeug.exceptions import HTTPException

log = structlog.get_logger(__name__)

CODES = {
    400: 20001,
    401: 20003,
    403: 20403,
    404: 20404,
    405: 20004,
    409: 20409,
    413: 20413,
    415: 20001,
    429: 20429,
}


class ApiError(Exception):
    """The caller's request can't be served; it says which Twilio code, and why."""

    def __init__(self, status: int, code: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.headers = status, code, message, headers or {}


def error_body(status: int, code: int, message: str) -> dict[str, Any]:
    return {
        "code": code,
        "message": message,
        "more_info": f"https://www.twilio.com/docs/errors/{code}",
        "status": status,
    }


def answer(status: int, code: int, message: str, headers: dict[str, str] | None = None) -> Response:
    response = jsonify(error_body(status, code, message))
    response.status_code = status
    response.headers.update(headers or {})
    return response


def handle_errors(app: Flask) -> None:
    """Every exception of this app becomes such an answer; a bug of ours is logged and says only 500."""

    @app.errorhandler(ApiError)
    def refused(error: ApiError) -> Response:
        return answer(error.status, error.code, error.message, error.headers)

    @app.errorhandler(HTTPException)
    def http(error: HTTPException) -> Response:
        status = error.code or 500
        return answer(
            status, CODES.get(status, 20500 if status >= 500 else 20001), error.description or error.name
        )

    @app.errorhandler(Exception)
    def bug(error: Exception) -> Response:
        log.error("unexpected error", exc_info=error)
        return answer(500, 20500, "An internal error occurred; it has been logged.")

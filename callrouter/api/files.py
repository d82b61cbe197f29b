"""Files that the media service keeps, handed on: recordings, and the media of messages."""

from collections.abc import Callable

from flask import Response, request

from callrouter.api.render import not_found
from callrouter.media.client import MediaAnswer, MediaUnavailable
from foundation.webserver.errors import ApiError

CONDITIONS = ("Range", "If-None-Match", "If-Modified-Since", "If-Range")
Ask = Callable[[str, str, str, dict[str, str]], MediaAnswer]
"""A method of the media client: HTTP method, account, name and headers."""


def serve(ask: Ask, account_sid: str, name: str) -> Response:
    """The bytes that the request wants, also in ranges; 404 when there are none."""
    headers = {wanted: request.headers[wanted] for wanted in CONDITIONS if wanted in request.headers}
    answer = _asked(ask, request.method, account_sid, name, headers)
    if answer.status == 404:
        raise not_found()
    return Response(answer.body, status=answer.status, headers=answer.headers)


def remove(ask: Ask, account_sid: str, name: str) -> None:
    """For good; nothing happens when there is no such file."""
    _asked(ask, "DELETE", account_sid, name, {})


def _asked(ask: Ask, method: str, account_sid: str, name: str, headers: dict[str, str]) -> MediaAnswer:
    """ApiError 503/20503 when the media service can't do it."""
    try:
        answer = ask(method, account_sid, name, headers)
    except MediaUnavailable as error:
        raise ApiError(503, 20503, f"{error}; try again.", {"Retry-After": "1"}) from error
    if answer.status >= 500:
        raise ApiError(503, 20503, "The media service could not serve it; try again.", {"Retry-After": "1"})
    return answer

"""POST on a live call: end it, give it another document, change its callbacks (twilio-surface 5.7)."""

from typing import Any

from sqlalchemy import Row
from werkzeug.datastructures import MultiDict

from callrouter.api import params
from callrouter.api.call_view import FINAL
from callrouter.api.context import api
from callrouter.api.params import parameter
from foundation.webserver.errors import ApiError

LONGEST_TWIML = 4000
LONGEST_CALL = 24 * 3600

SETTINGS = (
    parameter("Status", "status", params.choice(("completed", "canceled"))),
    parameter("Url", "url", params.url(21205)),
    parameter("Method", "method", params.method(21209)),
    parameter("Twiml", "twiml", params.text(LONGEST_TWIML, 32018)),
    parameter("FallbackUrl", "fallback_url", params.url(21205)),
    parameter("FallbackMethod", "fallback_method", params.method(21209)),
    parameter("StatusCallback", "status_callback", params.url(21609)),
    parameter("StatusCallbackMethod", "status_callback_method", params.method(21609)),
    parameter("TimeLimit", "time_limit", params.integer(1, LONGEST_CALL)),
)
IN_PLACE = ("status_callback", "status_callback_method", "time_limit")


def update(call: Row[Any], form: MultiDict[str, str], account_sid: str) -> None:
    """Does what the form asks for; nothing asked for is nothing done. 21220: the call's state forbids it.

    An account whose client took another account's call may end it, and nothing else (PR-61).

    A `Status` goes before a document, and `Url` before `Twiml`. `canceled` is refused once a call was
    answered (Twilio leaves open whether it is ignored).
    """
    wanted = params.given(SETTINGS, form)
    if not wanted:
        return
    if call.account_sid != account_sid and wanted != {"status": "completed"}:
        raise ApiError(403, 20403, "Another account's call can only be ended here: set Status to completed.")
    if call.status in FINAL:
        raise ApiError(400, 21220, f"Call {call.sid} is not in progress: it is {call.status}.")
    status = wanted.get("status")
    if status == "canceled" and call.status == "in-progress":
        raise ApiError(400, 21220, "An answered call cannot be canceled; set Status to completed.")
    live, name = api().live, (call.account_sid, call.sid)
    if any(field in wanted for field in IN_PLACE):
        live.adjust(
            *name,
            status_callback=wanted.get("status_callback"),
            status_callback_method=wanted.get("status_callback_method"),
            time_limit=wanted.get("time_limit"),
        )
    if status is not None:
        live.end(*name, status)
    elif wanted.get("url") or wanted.get("twiml"):
        url = wanted.get("url") or None
        live.replace(
            *name,
            url=url,
            method=wanted.get("method", "POST"),
            twiml=None if url else wanted["twiml"],
            fallback_url=wanted.get("fallback_url") or None,
            fallback_method=wanted.get("fallback_method", "POST"),
        )

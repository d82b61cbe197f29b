"""POST on Calls: everything is checked before anything is stored (twilio-surface 5.7)."""

import re
from typing import Any
from urllib.parse import parse_qsl

from sqlalchemy import Connection, select
from werkzeug.datastructures import MultiDict

from callrouter.api import params
from callrouter.api.call_update import LONGEST_CALL, LONGEST_TWIML
from callrouter.api.params import parameter
from callrouter.calls.outgoing import Placement
from callrouter.directory import applications, caller_ids
from callrouter.directory.e164 import e164
from callrouter.directory.errors import Missing, Refused
from callrouter.models import PhoneNumber
from foundation.webserver.errors import ApiError
from instructions.attributes import IDENTITY
from instructions.commands import StatusCallback
from instructions.errors import NOT_ACTING

LONGEST_RING = 600
LONGEST_ADDRESS = 2048
INVALID_FROM, NOT_OWNED, INVALID_TO, UNREACHABLE = 21212, 21210, 21211, 21214
EVENTS = ("initiated", "ringing", "answered", "completed")
WORDS = re.compile(r"[\s,]+")
SEPARATORS = re.compile(r"[ ().-]")


def _digits(name: str, value: str) -> str:
    if not re.fullmatch(r"[0-9A-Da-d*#wW]{0,32}", value, re.ASCII):
        raise ApiError(400, 21206, f"{name} takes up to 32 of 0-9, A-D, *, # and w.")
    return value


SETTINGS = (
    parameter("Url", "url", params.url(21205)),
    parameter("Method", "method", params.method(21209)),
    parameter("Twiml", "twiml", params.text(LONGEST_TWIML, 32018)),
    parameter("ApplicationSid", "application_sid", params.text(34, 21218)),
    parameter("FallbackUrl", "fallback_url", params.url(21205)),
    parameter("FallbackMethod", "fallback_method", params.method(21209)),
    parameter("StatusCallback", "status_callback", params.url(21609)),
    parameter("StatusCallbackMethod", "status_callback_method", params.method(21609)),
    parameter("SendDigits", "send_digits", _digits),
    parameter("Timeout", "timeout", params.integer(1, LONGEST_RING, 21208)),
    parameter("TimeLimit", "time_limit", params.integer(1, LONGEST_CALL)),
)
ADDRESSES = (
    parameter("To", "to", params.text(LONGEST_ADDRESS, INVALID_TO)),
    parameter("From", "from_", params.text(LONGEST_ADDRESS, INVALID_FROM)),
)
IDLE = (
    parameter("Record", "record", params.flag),
    parameter("MachineDetection", "machine", params.choice(("", "Enable", "DetectMessageEnd"), 21234)),
)
"""What is checked and does not act yet: the call goes on without it, and a notification says so."""


def placement(connection: Connection, account_sid: str, form: MultiDict[str, str]) -> Placement:
    """The call that the form asks for; ApiError with Twilio's code when it can't be placed."""
    wanted, addresses = params.given(SETTINGS, form), params.given(ADDRESSES, form)
    idle, events = params.given(IDLE, form), _events(form)
    to, parameters = _to(addresses.get("to", ""))
    from_ = _from(addresses.get("from_", ""), to)
    number_sid = _caller(connection, account_sid, from_)
    document = _document(connection, account_sid, wanted)
    callback_url = document.pop("status_callback")
    callback_method = document.pop("status_callback_method")
    return Placement(
        account_sid=account_sid,
        from_=from_,
        to=to,
        parameters=parameters,
        callback=StatusCallback(url=callback_url, method=callback_method, events=events)
        if callback_url
        else None,
        send_digits=wanted.get("send_digits", ""),
        timeout=wanted.get("timeout", 60),
        time_limit=wanted.get("time_limit"),
        phone_number_sid=number_sid,
        warnings=_warnings(wanted, idle),
        **document,
    )


def _events(form: MultiDict[str, str]) -> tuple[str, ...]:
    """The parameter comes once for each event; some write them all into one."""
    given = {word for text in form.getlist("StatusCallbackEvent") for word in WORDS.split(text) if word}
    if not given <= set(EVENTS):
        raise ApiError(400, 21626, f"StatusCallbackEvent is any of {', '.join(EVENTS)}.")
    return tuple(event for event in EVENTS if event in given) or ("completed",)


def _to(text: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Whom to call, and the parameters for a client: `client:alice?colour=green`."""
    if not text:
        raise ApiError(400, 21201, "To is required: whom to call.")
    if text.startswith("sip:"):
        raise ApiError(
            400, UNREACHABLE, "Calls to SIP addresses are not placed here; a carrier's gateway can."
        )
    if not text.startswith("client:"):
        return _phone("To", text, INVALID_TO), ()
    address, _, query = text.partition("?")
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=100)
    except ValueError as error:
        raise ApiError(400, INVALID_TO, f"To has too many parameters: {error}.") from error
    return _client("To", address, INVALID_TO), tuple(pairs)


def _from(text: str, to: str) -> str:
    if not text:
        raise ApiError(400, 21213, "From is required: the number or client that calls.")
    if not text.startswith("client:"):
        return _phone("From", text, INVALID_FROM)
    if not to.startswith("client:"):
        raise ApiError(400, INVALID_FROM, "A call to a phone needs a phone number as From, not a client.")
    return _client("From", text, INVALID_FROM)


def _phone(name: str, text: str, code: int) -> str:
    try:
        return e164(SEPARATORS.sub("", text))
    except Refused as error:
        raise ApiError(400, code, f"{name}: {error}.") from error


def _client(name: str, address: str, code: int) -> str:
    try:
        return "client:" + IDENTITY.read(address.removeprefix("client:"))
    except ValueError as error:
        raise ApiError(400, code, f"{name}: {error}.") from error


def _caller(connection: Connection, account_sid: str, from_: str) -> str | None:
    """The SID of the account's number that calls; None for a client or a verified caller id."""
    if from_.startswith("client:"):
        return None
    owned = select(PhoneNumber.sid).where(
        PhoneNumber.account_sid == account_sid, PhoneNumber.phone_number == from_
    )
    sid = connection.execute(owned).scalar()
    if sid is None and not caller_ids.is_verified(connection, account_sid, from_):
        raise ApiError(
            400,
            NOT_OWNED,
            f"From: {from_} is neither a number of this account nor a verified caller id of it.",
        )
    return sid


def _document(connection: Connection, account_sid: str, wanted: dict[str, Any]) -> dict[str, Any]:
    """Where the TwiML comes from, and who is told of the call: an application goes before all the rest."""
    callback = {
        "status_callback": wanted.get("status_callback", ""),
        "status_callback_method": wanted.get("status_callback_method", "POST"),
    }
    if sid := wanted.get("application_sid"):
        try:
            application = applications.fetch(connection, account_sid, sid)
        except Missing as error:
            raise ApiError(400, 21218, f"ApplicationSid: {sid} is no application of this account.") from error
        if not application.voice_url:
            raise ApiError(400, 21205, f"Application {sid} has no VoiceUrl.")
        if application.status_callback:
            callback = {
                "status_callback": application.status_callback,
                "status_callback_method": application.status_callback_method,
            }
        return {
            **callback,
            "application_sid": sid,
            "url": application.voice_url,
            "method": application.voice_method,
            "fallback_url": application.voice_fallback_url or None,
            "fallback_method": application.voice_fallback_method,
        }
    url = wanted.get("url") or None
    if url is None and not wanted.get("twiml"):
        raise ApiError(400, 21205, "Url, Twiml or ApplicationSid is required.")
    return {
        **callback,
        "url": url,
        "method": wanted.get("method", "POST"),
        "twiml": None if url else wanted["twiml"],
        "fallback_url": wanted.get("fallback_url") or None,
        "fallback_method": wanted.get("fallback_method", "POST"),
    }


def _warnings(wanted: dict[str, Any], idle: dict[str, Any]) -> tuple[tuple[int, str], ...]:
    found = [
        (NOT_ACTING, f"{row.name} does not act yet: it was ignored") for row in IDLE if idle.get(row.field)
    ]
    if wanted.get("url") and wanted.get("twiml"):
        found.append((32019, "Url and Twiml were both given: Url is used"))
    return tuple(found)

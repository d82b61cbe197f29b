"""POST on Calls: everything is checked before anything is stored (twilio-surface 5.7)."""

import re
from typing import Any
from urllib.parse import parse_qsl

from sqlalchemy import Connection, select
from werkzeug.datastructures import MultiDict

from callrouter.api import params, sip_form
from callrouter.api.addresses import client, phone
from callrouter.api.call_update import LONGEST_CALL, LONGEST_TWIML
from callrouter.api.params import parameter
from callrouter.api.recording_form import recording
from callrouter.calls.outgoing import Placement
from callrouter.directory import applications, caller_ids
from callrouter.directory.errors import Missing
from callrouter.models import PhoneNumber
from foundation.webserver.errors import ApiError
from instructions.commands import SipTarget, StatusCallback
from instructions.errors import NOT_ACTING

LONGEST_RING = 600
LONGEST_ADDRESS = 2048
INVALID_FROM, NOT_OWNED, INVALID_TO = 21212, 21210, 21211
EVENTS = ("initiated", "ringing", "answered", "completed")


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
    parameter("Record", "record", params.flag),
)
ADDRESSES = (
    parameter("To", "to", params.text(LONGEST_ADDRESS, INVALID_TO)),
    parameter("From", "from_", params.text(LONGEST_ADDRESS, INVALID_FROM)),
)
IDLE = (parameter("MachineDetection", "machine", params.choice(("", "Enable", "DetectMessageEnd"), 21234)),)
"""What is checked and does not act yet: the call goes on without it, and a notification says so."""


def placement(connection: Connection, account_sid: str, form: MultiDict[str, str]) -> Placement:
    """The call that the form asks for; ApiError with Twilio's code when it can't be placed."""
    wanted, addresses = params.given(SETTINGS, form), params.given(ADDRESSES, form)
    idle = params.given(IDLE, form)
    events = params.listed("StatusCallbackEvent", EVENTS, form, 21626) or ("completed",)
    to, parameters, sip, warnings = _to(addresses.get("to", ""), form)
    from_ = _from(addresses.get("from_", ""), to)
    number_sid = _caller(connection, account_sid, from_, to)
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
        warnings=(*_warnings(wanted, idle), *warnings),
        sip=sip,
        record=recording(form, "OutboundAPI", trim="trim-silence") if wanted.get("record") else None,
        **document,
    )


Pairs = tuple[tuple[str, str], ...]
Warnings = tuple[tuple[int, str], ...]


def _to(text: str, form: MultiDict[str, str]) -> tuple[str, Pairs, SipTarget | None, Warnings]:
    """Whom to call; the parameters for a client: `client:alice?colour=green`; for SIP addresses all that they need."""
    if not text:
        raise ApiError(400, 21201, "To is required: whom to call.")
    if sip_form.is_sip(text):
        sip, warnings = sip_form.target(text, form, INVALID_TO)
        return sip.uri, (), sip, warnings
    if not text.startswith("client:"):
        return phone("To", text, INVALID_TO), (), None, ()
    address, _, query = text.partition("?")
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=100)
    except ValueError as error:
        raise ApiError(400, INVALID_TO, f"To has too many parameters: {error}.") from error
    return client("To", address, INVALID_TO), tuple(pairs), None, ()


def _from(text: str, to: str) -> str:
    if not text:
        raise ApiError(400, 21213, "From is required: the number or client that calls.")
    if sip_form.is_sip(to) and not text.startswith("client:"):
        return sip_form.caller(text, INVALID_FROM)
    if not text.startswith("client:"):
        return phone("From", text, INVALID_FROM)
    if not to.startswith("client:") and not sip_form.is_sip(to):
        raise ApiError(400, INVALID_FROM, "A call to a phone needs a phone number as From, not a client.")
    return client("From", text, INVALID_FROM)


def _caller(connection: Connection, account_sid: str, from_: str, to: str) -> str | None:
    """The SID of the account's number that calls; None for a client, a verified caller id, or a SIP user."""
    if from_.startswith("client:"):
        return None
    owned = select(PhoneNumber.sid).where(
        PhoneNumber.account_sid == account_sid, PhoneNumber.phone_number == from_
    )
    sid = connection.execute(owned).scalar()
    if sid is None and not sip_form.is_sip(to) and not caller_ids.is_verified(connection, account_sid, from_):
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

"""POST on Participants: a call is placed, and its document is the conference (twilio-surface 5.10)."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from lxml import etree
from sqlalchemy import select
from werkzeug.datastructures import MultiDict

from callrouter.api import params
from callrouter.api.call_create import placement
from callrouter.api.context import api
from callrouter.api.params import parameter
from callrouter.api.render import not_found
from callrouter.conferences import control, rules
from callrouter.conferences.meeting import Settings
from callrouter.conferences.rules import Participant, Refusal
from callrouter.models import Conference
from foundation.sids import CALL, CONFERENCE, is_sid
from foundation.webserver.errors import ApiError
from instructions.commands import ConferenceCallback, RecordingCallback

LONGEST_NAME = LONGEST_LABEL = 128
LARGEST = 250
BAD_LABEL, LABEL_IN_USE, NO_CONFERENCE, NO_COACHED = 16024, 16026, 16022, 16027
EVENTS = ("start", "end", "join", "leave", "mute", "hold", "modify", "speaker", "announcement")
RECORDING_EVENTS = ("in-progress", "completed", "absent")
RECORD = {"true": True, "false": False, "record-from-start": True, "do-not-record": False}


def _label(name: str, value: str) -> str:
    if len(value) > LONGEST_LABEL or "/" in value or is_sid(value, CALL):
        message = f"{name} takes at most {LONGEST_LABEL} characters without /, and no call's SID."
        raise ApiError(400, BAD_LABEL, message)
    return value


def _wait_url(name: str, value: str) -> str:
    """Empty for silence."""
    return params.url(21205)(name, value) if value else ""


SETTINGS = (
    parameter("Label", "label", _label),
    parameter("Muted", "muted", params.flag),
    parameter("Beep", "beep", params.choice(("true", "false", "onEnter", "onExit"))),
    parameter("StartConferenceOnEnter", "start_on_enter", params.flag),
    parameter("EndConferenceOnExit", "end_on_exit", params.flag),
    parameter("WaitUrl", "wait_url", _wait_url),
    parameter("WaitMethod", "wait_method", params.method(21209)),
    parameter("MaxParticipants", "most", params.integer(1, LARGEST)),
    parameter("Coaching", "coaching", params.flag),
    parameter("CallSidToCoach", "coach", params.matching("CA[0-9a-f]{32}|", "a call's SID", NO_COACHED)),
    parameter("ConferenceRecord", "record", params.choice(RECORD)),
    parameter("ConferenceTrim", "trim", params.choice(("trim-silence", "do-not-trim"))),
    parameter("ConferenceStatusCallback", "callback_url", params.url(21609)),
    parameter("ConferenceStatusCallbackMethod", "callback_method", params.method(21609)),
    parameter("ConferenceRecordingStatusCallback", "recording_url", params.url(21609)),
    parameter("ConferenceRecordingStatusCallbackMethod", "recording_method", params.method(21609)),
)


def invite(account_sid: str, conference: str, form: MultiDict[str, str]) -> tuple[str, str]:
    """Keeps the place, then places the call: the SIDs of the conference and of the call."""
    wanted = params.given(SETTINGS, form)
    coach = wanted.get("coach", "") if wanted.get("coaching", True) else ""
    if wanted.get("coaching") and not coach:
        raise ApiError(400, NO_COACHED, "Coaching needs CallSidToCoach: the call of a participant.")
    if len(conference) > LONGEST_NAME or not conference.isprintable():
        raise ApiError(400, params.INVALID, f"A conference's name has 1 to {LONGEST_NAME} characters.")
    call = api().read(lambda c: placement(c, account_sid, _of_call(form)))
    guest = Participant(
        call_sid=call.call_sid,
        session_sid=call.call_sid,
        leg="",
        label=wanted.get("label") or None,
        muted=wanted.get("muted", False),
        coach=coach,
        start_on_enter=wanted.get("start_on_enter", True),
        end_on_exit=wanted.get("end_on_exit", False),
        beep_on_exit=wanted.get("beep", "true") in ("true", "onExit"),
    )
    sid, name = _place(account_sid, conference, guest, wanted, form)
    try:
        api().live.place(replace(call, twiml=_document(name, guest, wanted), guest=True))
    except Exception:
        out = partial(control.remove, sid=sid, call_sid=call.call_sid, reason=rules.ADD_FAILED)
        api().live.settle(account_sid, out)
        raise
    return sid, call.call_sid


def _place(
    account_sid: str,
    conference: str,
    guest: Participant,
    wanted: Mapping[str, Any],
    form: MultiDict[str, str],
) -> tuple[str, str]:
    by_sid = is_sid(conference, CONFERENCE)
    which = Conference.sid == conference if by_sid else Conference.live_name == conference
    kept = api().live.settle(
        account_sid,
        partial(
            control.invite,
            which=which,
            name=None if by_sid else conference,
            settings=_settings(wanted, form),
            guest=guest,
            most=wanted.get("most", LARGEST),
        ),
    )
    if isinstance(kept, Refusal):
        code = LABEL_IN_USE if kept.code == rules.LABEL_IN_USE else kept.code
        raise ApiError(400, code, f"{kept.reason}.")
    if kept is None:
        raise _gone(account_sid, conference)
    return kept


def _gone(account_sid: str, sid: str) -> ApiError:
    mine = (Conference.account_sid == account_sid, Conference.sid == sid)
    if api().read(lambda c: c.execute(select(Conference.sid).where(*mine)).first()) is None:
        return not_found()
    return ApiError(400, NO_CONFERENCE, f"Conference {sid} is over.")


def _settings(wanted: Mapping[str, Any], form: MultiDict[str, str]) -> Settings:
    """What counts if this makes the conference."""
    events = params.listed("ConferenceStatusCallbackEvent", EVENTS, form, 21626) or ("start", "end")
    recorded = params.listed("ConferenceRecordingStatusCallbackEvent", RECORDING_EVENTS, form, 21626)
    url, recording_url = wanted.get("callback_url"), wanted.get("recording_url")
    callback = (
        ConferenceCallback(url=url, method=wanted.get("callback_method", "POST"), events=events)
        if url
        else None
    )
    of_recording = (
        RecordingCallback(
            url=recording_url,
            method=wanted.get("recording_method", "POST"),
            events=recorded or ("completed",),
        )
        if recording_url
        else None
    )
    return Settings(
        record=RECORD[wanted.get("record", "false")],
        trim=wanted.get("trim", "trim-silence") == "trim-silence",
        callback=callback,
        recording_callback=of_recording,
    )


def _of_call(form: MultiDict[str, str]) -> MultiDict[str, str]:
    """The form as for a call; its document is made once the conference is known."""
    call = form.copy()
    for name in ("Url", "ApplicationSid", "FallbackUrl", "SendDigits"):
        call.poplist(name)
    call["Twiml"] = "<Response/>"
    if form.get("CallerId"):
        call["From"] = form["CallerId"]
    return call


def _document(name: str, guest: Participant, wanted: Mapping[str, Any]) -> str:
    """The TwiML that brings the call in."""
    attributes = {
        "muted": str(guest.muted).lower(),
        "beep": wanted.get("beep", "true"),
        "startConferenceOnEnter": str(guest.start_on_enter).lower(),
        "endConferenceOnExit": str(guest.end_on_exit).lower(),
        "maxParticipants": str(wanted.get("most", LARGEST)),
    }
    optional = {
        "participantLabel": guest.label,
        "coach": guest.coach or None,
        "waitUrl": wanted.get("wait_url"),
        "waitMethod": wanted.get("wait_method"),
    }
    attributes |= {key: value for key, value in optional.items() if value is not None}
    response = etree.Element("Response")
    etree.SubElement(etree.SubElement(response, "Dial"), "Conference", attributes).text = name
    return str(etree.tostring(response, encoding="unicode"))

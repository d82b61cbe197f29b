"""Status callbacks of conferences (twilio-surface 2.4): what each event is called by, and its parameters."""

from typing import Any

from callrouter.calls.parameters import Parameters
from callrouter.conferences.rules import News
from foundation.clock import from_timestamp, rfc2822

ENABLED_BY = {
    "conference-start": "start",
    "conference-end": "end",
    "participant-join": "join",
    "participant-leave": "leave",
    "participant-mute": "mute",
    "participant-unmute": "mute",
    "participant-hold": "hold",
    "participant-unhold": "hold",
    "participant-modify": "modify",
    "participant-speech-start": "speaker",
    "participant-speech-stop": "speaker",
    "announcement-end": "announcement",
    "announcement-fail": "announcement",
}


def wanted(conference: dict[str, Any], news: News) -> bool:
    """Whether this conference's callback is told of it."""
    asked = ENABLED_BY[news.event] in conference["callback_events"].split()
    return conference["callback_url"] is not None and asked


def parameters(conference: dict[str, Any], news: News, sequence: int, at: float) -> Parameters:
    """What the callback says; `sequence` counts a conference's callbacks from 1."""
    values = {
        "AccountSid": conference["account_sid"],
        "ConferenceSid": conference["sid"],
        "FriendlyName": conference["friendly_name"],
        "StatusCallbackEvent": news.event,
        "SequenceNumber": str(sequence),
        "Timestamp": rfc2822(from_timestamp(at)) or "",
    }
    if one := news.about:
        values |= {
            "CallSid": one.call_sid,
            "Muted": _flag(one.muted),
            "Hold": _flag(one.hold),
            "Coaching": _flag(bool(one.coach)),
            "StartConferenceOnEnter": _flag(one.start_on_enter),
            "EndConferenceOnExit": _flag(one.end_on_exit),
        }
        if one.coach:
            values["CallSidToCoach"] = one.coach
        if one.label:
            values["ParticipantLabel"] = one.label
    return values | dict(news.more or {})


def _flag(value: bool) -> str:
    return str(value).lower()

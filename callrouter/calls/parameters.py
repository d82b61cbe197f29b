"""What every webhook of a call says about it (https://www.twilio.com/docs/voice/twiml#request-parameters)."""

from callrouter.calls.session import CallSession, Leg
from callrouter.calls.status import SIP_CODES, Cause, Status
from callrouter.directory import places
from foundation.clock import from_timestamp, rfc2822

API_VERSION = "2010-04-01"
Parameters = dict[str, str]
ROLES = ("From", "To", "Caller", "Called")
"""Whose places are told."""

RESERVED = frozenset(
    {
        "AccountSid",
        "ApiVersion",
        "ApplicationSid",
        "CallSid",
        "CallStatus",
        "Called",
        "Caller",
        "CallerName",
        "Direction",
        "From",
        "ParentCallSid",
    }
)
"""Names that a client's own parameters never overwrite (PR-66). `To` is the client's to choose."""


def standard(session: CallSession, leg: Leg) -> Parameters:
    """The parameters of a request about this leg, at this moment."""
    status = "initiated" if leg.status is Status.QUEUED else leg.status.value
    parameters = {
        "CallSid": leg.call_sid,
        "AccountSid": session.account_sid,
        "From": leg.from_,
        "To": leg.to,
        "Caller": leg.from_,
        "Called": leg.to,
        "CallStatus": status,
        "ApiVersion": API_VERSION,
        "Direction": leg.direction,
    }
    for role in ROLES:
        parameters |= places.parameters(role, parameters[role])
    if leg is not session.own:
        return {**parameters, "ParentCallSid": session.dialler(leg).call_sid}
    return {**session.webhook_parameters, **parameters}


def status_callback(session: CallSession, leg: Leg, at: float) -> Parameters:
    """A status callback (https://www.twilio.com/docs/voice/twiml/number#attributes-status-callback-event)."""
    parameters = {
        **standard(session, leg),
        "CallbackSource": "call-progress-events",
        "SequenceNumber": str(leg.callback_sequence),
        "Timestamp": rfc2822(from_timestamp(at)) or "",
    }
    if leg.status.final:
        seconds = duration(leg, at)
        parameters |= {"CallDuration": str(seconds), "Duration": str(-(-seconds // 60))}
        if sid := placed_recording(session, leg):
            parameters |= recorded(session, sid, at)
        if (code := sip_code(leg)) and leg.outbound:
            parameters["SipResponseCode"] = code
    return parameters


def sip_code(leg: Leg) -> str | None:
    """Why the leg was never answered, as SIP says it."""
    known = leg.ended_because in SIP_CODES and not leg.answered
    return SIP_CODES[Cause(leg.ended_because)] if known else None


def placed_recording(session: CallSession, leg: Leg) -> str | None:
    """The recording that was asked for when this call was placed: status callbacks tell of no other."""
    return next(
        (sid for sid, r in session.recordings.items() if r.leg == leg.name and r.source == "OutboundAPI"),
        None,
    )


def recorded(session: CallSession, sid: str, at: float) -> Parameters:
    """What a request says of a recording. Its duration is a guess while it goes on."""
    found = session.recordings[sid]
    seconds = found.seconds if found.seconds is not None else max(0, round(at - found.started_at))
    return {
        "RecordingSid": sid,
        "RecordingUrl": recording_path(session.account_sid, sid),
        "RecordingDuration": str(seconds),
    }


def recording_path(account_sid: str, sid: str) -> str:
    """Where REST has it; a webhook is told the whole URL."""
    return f"/{API_VERSION}/Accounts/{account_sid}/Recordings/{sid}"


def duration(leg: Leg, ended_at: float) -> int:
    """Whole seconds that a leg was up; 0 when it was never answered."""
    return 0 if leg.answered_at is None else max(0, round(ended_at - leg.answered_at))

"""New sessions: a call that a carrier brings, and one that a client places."""

from collections.abc import Mapping

from callrouter.calls.parameters import RESERVED
from callrouter.calls.routing import Target
from callrouter.calls.session import OWN, CallSession, Leg
from callrouter.calls.status import Status
from foundation.sids import CALL, new_sid
from instructions.commands import StatusCallback
from instructions.interpreter import new_session


def inbound_call(
    target: Target, *, from_: str, to: str, sdp: str, carrier: str, carrier_call_id: str, caller_name: str
) -> CallSession:
    """A call from the telephone network to a number."""
    leg = _leg(target, from_=from_, to=to, sdp=sdp, carrier=carrier, carrier_call_id=carrier_call_id)
    return _session(target, leg, {"CallerName": caller_name} if caller_name else {}, {})


def client_call(
    target: Target, *, identity: str, sdp: str, parameters: Mapping[str, str], fixed: Mapping[str, str]
) -> CallSession:
    """A call from a client: inbound, to the application that its token names (PR-65).

    The client's parameters overwrite neither ours nor those `fixed` in its token (PR-66).
    """
    own = {name: value for name, value in {**parameters, **fixed}.items() if name not in RESERVED}
    leg = _leg(target, from_=f"client:{identity}", to=parameters.get("To", ""), sdp=sdp, identity=identity)
    return _session(target, leg, {}, own)


def _leg(
    target: Target,
    *,
    from_: str,
    to: str,
    sdp: str,
    carrier: str = "",
    carrier_call_id: str = "",
    identity: str = "",
) -> Leg:
    callback = StatusCallback(
        url=target.status_callback, method=target.status_callback_method, events=("completed",)
    )
    return Leg(
        name=OWN,
        call_sid=new_sid(CALL),
        direction="inbound",
        from_=from_,
        to=to,
        status=Status.RINGING,
        sdp=sdp,
        carrier=carrier,
        carrier_call_id=carrier_call_id,
        identity=identity,
        callback=callback if target.status_callback else None,
    )


def _session(target: Target, leg: Leg, extra: dict[str, str], first: Mapping[str, str]) -> CallSession:
    if target.application_sid:
        extra["ApplicationSid"] = target.application_sid
    program = new_session(
        url=target.voice_url,
        method=target.voice_method,
        fallback_url=target.voice_fallback_url or None,
        fallback_method=target.voice_fallback_method,
        caller=leg.from_,
    )
    return CallSession(
        account_sid=target.account_sid,
        legs={OWN: leg},
        programs={OWN: program},
        webhook_parameters=extra,
        first_parameters=dict(first),
    )

"""What a program's <Dial> starts: legs to phones, clients, SIP addresses and other applications."""

from collections.abc import Callable
from typing import Any

from callrouter.calls.session import OWN, CallSession, Leg
from callrouter.calls.status import Status
from callrouter.calls.steps.draft import Change
from callrouter.calls.steps.listening import Recognising
from instructions import commands as c


class Dialling(Recognising):
    """The part of a draft that starts legs."""

    def __init__(self, session: CallSession, at: float, new_sid: Callable[[], str]) -> None:
        super().__init__(session, at)
        self.new_sid = new_sid

    def start(self, own: Leg, command: c.StartLeg) -> None:
        noun = command.noun
        leg = Leg(
            name=self.full_name(own, command.leg),
            dialled_by=own.name,
            call_sid=self.new_sid(),
            direction="outbound-dial",
            from_=command.caller_id or own.from_,
            to=_address(noun),
            status=Status.QUEUED,
            identity=noun.identity if isinstance(noun, c.ClientTarget) else "",
            application=noun.application_sid if isinstance(noun, c.ApplicationTarget) else "",
            first_parameters=dict(noun.parameters) if isinstance(noun, c.ApplicationTarget) else {},
            send_digits=(noun.send_digits or "") if isinstance(noun, c.NumberTarget) else "",
            callback=command.status_callback,
        )
        self.keep(leg)
        self.changes.append(Change(leg=leg, new=True))
        self.call_back(leg)
        self.line("router", self.face(leg), "dial", call_sid=leg.call_sid, timeout=command.timeout)
        if not leg.application:  # which does not ring
            heard = {"country": command.ring_tone, "to": leg.to}
            self.send("ringback" if own.answered else "ring", own, **heard)
        kind, details = way_out(noun)
        self.send(
            kind, leg, timeout=command.timeout, caller_id_given=command.caller_id is not None, **details
        )

    def dialled(self, dialler: Leg, name: str) -> Leg:
        """The leg that this one's program calls so: each program counts its legs from the start."""
        return self.session.legs[self.full_name(dialler, name)]

    def full_name(self, dialler: Leg, name: str) -> str:
        return name if dialler.name == OWN else f"{[*self.session.legs].index(dialler.name)}.{name}"


def local_name(leg: Leg) -> str:
    """What the program that dialled the leg calls it."""
    return leg.name.rpartition(".")[2]


Noun = c.NumberTarget | c.ClientTarget | c.SipTarget | c.ApplicationTarget


def _address(noun: Noun) -> str:
    """The leg's `To`."""
    match noun:
        case c.NumberTarget(number=number):
            return number
        case c.ClientTarget(identity=identity):
            return f"client:{identity}"
        case c.SipTarget(uri=uri):
            return uri
        case c.ApplicationTarget(application_sid=sid):
            return f"app:{sid}"


def way_out(noun: Noun) -> tuple[str, dict[str, Any]]:
    """The outbox entry that starts the leg: its kind, and what it needs to know."""
    match noun:
        case c.NumberTarget():
            return "start.carrier", {"parameters": []}
        case c.ClientTarget():
            ringing = {"mode": noun.ring_mode, "every": noun.ring_every}
            return "start.client", {"parameters": list(noun.parameters), **ringing}
        case c.SipTarget():
            sip = {
                "headers": dict(noun.headers),
                "username": noun.username,
                "password": noun.password,
            }
            return "start.sip", sip
        case c.ApplicationTarget():
            return "start.application", {}

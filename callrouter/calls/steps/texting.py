"""Text messages that a call's document sends."""

from callrouter.calls.session import Leg
from callrouter.calls.steps.draft import Entry
from callrouter.calls.steps.queueing import Queueing
from foundation.sids import MESSAGE
from instructions import commands as c


class Texting(Queueing):
    """Hands them to the router's messages."""

    def text(self, leg: Leg, program: str, command: c.SendMessage) -> None:
        far, ours = (leg.to, leg.from_) if leg.outbound else (leg.from_, leg.to)
        payload = {
            "leg": leg.name,
            "program": program,
            "message": command.message,
            "sid": self.media_sid(MESSAGE),
            "to": command.to or far,
            "from": command.from_ or ours,
            "body": command.body,
            "status_callback": command.status_callback,
        }
        self.line("router", payload["to"] or far, "text message", body=command.body)
        self.outbox.append(Entry(kind="text", lane=f"text:{leg.call_sid}", payload=payload))

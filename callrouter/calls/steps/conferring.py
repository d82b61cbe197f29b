"""A leg comes into a conference and leaves it: the entries for the conference's desk and for the voice node."""

from dataclasses import asdict, replace

from callrouter.calls.session import Leg
from callrouter.calls.stay import Stay, leg_of
from callrouter.calls.steps.asides import Asides
from callrouter.conferences.rules import HUNG_UP, UPDATED
from instructions import commands as c

HEARD_ON_ENTER, HEARD_ON_EXIT = ("true", "onEnter"), ("true", "onExit")


class Conferring(Asides):
    """The part of a draft that is about conferences."""

    redirected = False
    """REST gives the leg another document"""

    def join_conference(self, leg: Leg, wanted: c.JoinConference) -> None:
        if not leg.live:
            return
        if leg.stay and leg.stay.kind != "guest":
            leg = self.leave_conference(leg)
        ticket = self.entry_id()
        self.keep(
            replace(leg, stay=Stay(kind="conference", ticket=ticket, beep=wanted.beep in HEARD_ON_ENTER))
        )
        self.line(self.face(leg), "router", f"joins the conference {wanted.name}")
        self.send("conference.join", leg, **{**asdict(wanted), "beep_on_exit": wanted.beep in HEARD_ON_EXIT})

    def leave_conference(self, leg: Leg, *, call_status: str = "in-progress") -> Leg:
        """The leg as it is outside; nothing happens if it is."""
        stay = leg.stay
        if stay is None or stay.kind not in ("conference", "guest"):
            return leg
        leg = replace(leg, stay=None)
        self.keep(leg)
        if stay.seat is not None:
            self.leave_room(leg, stay)
        reason = UPDATED if self.redirected else HUNG_UP
        self.send("conference.leave", leg, ticket=stay.ticket, reason=reason, status=call_status)
        return leg

    def aside_over(self, program: str, reason: c.FinishReason) -> None:
        leg, url = self.session.legs[leg_of(program)], self.session.asides[program].url
        if leg.stay and leg.stay.announcing == url:
            self.keep(replace(leg, stay=replace(leg.stay, announcing="")))
            failed = reason is not c.FinishReason.END_OF_DOCUMENT
            why = {"ReasonAnnouncementFailed": "The document could not be played"} if failed else {}
            event = "announcement-fail" if failed else "announcement-end"
            self.send("conference.report", leg, event=event, more={"AnnounceUrl": url, **why})
        super().aside_over(program, reason)

    def leave_room(self, leg: Leg, stay: Stay) -> None:
        """Out of the mix."""
        seat = stay.seat or {}
        self.send("room.leave", leg, room=seat["room"], beep=seat["beep_on_exit"])

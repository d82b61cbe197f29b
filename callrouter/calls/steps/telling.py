"""What conferences and queues tell a leg that is in them, and what it tells them beside its coming and going."""

from collections.abc import Mapping
from dataclasses import replace

from callrouter.calls import happenings as h
from callrouter.calls.session import Leg
from callrouter.calls.stay import Stay
from callrouter.calls.steps.departing import Departing
from instructions import events as e


class Telling(Departing):
    """Acts on the leg's sound, then tells its program."""

    def told(self, leg: Leg, told: h.Told) -> None:
        stay = leg.stay
        if not leg.live or stay is None or stay.ticket != told.ticket:
            return
        match told.event:
            case e.ConferenceJoined(started=True) | e.ConferenceStarted():
                self.enter_room(leg, stay, told)
            case e.ConferenceLeft():
                self.put_out(leg, stay, told.event)
            case e.ConferenceAnnounced(url=url):
                self.keep(replace(leg, stay=replace(stay, announcing=url)))
            case e.QueueRefused() | e.QueueMissing():
                self.keep(replace(leg, stay=None))
            case e.QueueBridged(call_sid=peer):
                self.connect(leg, stay, peer)
            case e.QueueParted() if stay.peer:
                self.keep(replace(leg, stay=None))
                self.send("unbridge", leg)
                self.line("router", self.face(leg), "the other one is gone", call_sid=stay.peer)
        seat = told.seat
        if seat is not None and stay.seat is not None and seat != stay.seat:
            now = self.session.legs[leg.name]
            if now.stay is not None:
                self.keep(replace(now, stay=replace(now.stay, seat=seat)))
                self.line("conference", self.face(leg), "is changed", muted=seat["muted"], hold=seat["hold"])
                self.send("room.update", leg, **_heard(seat))
        if told.digits:
            self.send("press", leg, digits=told.digits)
        if told.event is not None:
            self.tell(leg.name, told.event)

    def enter_room(self, leg: Leg, stay: Stay, told: h.Told) -> None:
        """Into the mix."""
        seat = told.seat
        if seat is None or stay.seat is not None:
            return
        self.keep(replace(leg, stay=replace(stay, seat=seat)))
        self.line("conference", self.face(leg), "is heard", conference=seat["room"])
        self.send("room.join", leg, beep=stay.beep, speaker=seat["speaker"], **_heard(seat))

    def put_out(self, leg: Leg, stay: Stay, left: e.ConferenceLeft) -> None:
        self.line("conference", self.face(leg), f"is out: {left.why}")
        leg = replace(leg, stay=None)
        self.keep(leg)
        if stay.seat is not None:
            self.leave_room(leg, stay)
        # Its row is gone already, unless the word overtook the leg's own entry to come in.
        self.send("conference.leave", leg, ticket=stay.ticket, reason="", status="in-progress")

    def connect(self, leg: Leg, stay: Stay, peer: str) -> None:
        """Both sides are told; the queued one makes the bridge."""
        self.keep(replace(leg, stay=replace(stay, peer=peer)))
        if stay.kind == "queue":
            self.line("queue", self.face(leg), "connected", call_sid=peer)
            self.send("pair", leg, legs=[leg.call_sid, peer])

    def spoke(self, leg: Leg, spoke: h.Spoke) -> None:
        stay = leg.stay
        if leg.live and stay is not None and stay.seat is not None:
            event = "participant-speech-start" if spoke.speaking else "participant-speech-stop"
            self.send("conference.report", leg, event=event)


def _heard(seat: Mapping[str, object]) -> dict[str, object]:
    """A seat as the voice node's commands have it."""
    coach = {"coach": seat["coach"]} if seat["coach"] else {}
    return {"room": seat["room"], "muted": seat["muted"], "hold": seat["hold"], **coach}

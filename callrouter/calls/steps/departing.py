"""A call that REST placed: it waits in its account's queue, leaves, rings, and runs its document once answered."""

from dataclasses import replace

from callrouter.calls.session import OWN, Departure
from callrouter.calls.status import Cause
from callrouter.calls.steps.dialling import way_out
from callrouter.calls.steps.hearing import Hearing
from foundation.sids import RECORDING
from instructions import events as e

LIMIT_TIMER = "limit"
LONGEST_CALL = 24 * 3600
"""Seconds after which any call is ended, so that none is in progress for ever (reliability-security I6)."""
DEPARTURE_TIMER, RING_TIMER = "departure", "ring"
DEPARTURE_TIMERS = (DEPARTURE_TIMER, RING_TIMER)
RING_BUFFER = 5
"""Seconds that Twilio adds to the requested timeout, as for <Dial>."""


class Departing(Hearing):
    """The own leg's way out. `session.departure` is set."""

    def queue(self) -> None:
        """The call is stored; it leaves when its account's calls per second allow."""
        departure, own = self._departure, self.session.own
        self.line(
            "rest", "router", f"call to {own.to}", due_in=max(0.0, round(departure.due_at - self.at, 3))
        )
        for code, message in departure.warnings:
            self.note(code, "1", message, own)
        if departure.due_at > self.at:
            self.timers[DEPARTURE_TIMER] = departure.due_at
        else:
            self.depart()

    def depart(self) -> None:
        departure = replace(self._departure, waiting=False)
        self.session = replace(self.session, departure=departure)
        own = self.session.own
        self.call_back(own)
        own = self.session.own
        self.line("router", self.face(own), "dial", call_sid=own.call_sid, timeout=departure.timeout)
        longest = departure.timeout + RING_BUFFER
        self.timers |= {RING_TIMER: self.at + longest, LIMIT_TIMER: self.at + LONGEST_CALL}
        if departure.sip is not None:
            kind, details = way_out(departure.sip)
            self.send(kind, own, timeout=longest, **details)
            return
        self.send(
            "start.client" if own.identity else "start.carrier",
            own,
            timeout=longest,
            parameters=list(departure.parameters),
        )

    def departure_due(self, timer: str) -> None:
        """It is the call's turn, or it rang for long enough."""
        own = self.session.own
        if timer == DEPARTURE_TIMER and self.session.waiting and own.live:
            self.depart()
        elif timer == RING_TIMER and own.live and not own.answered:
            self.end(own, Cause.NO_ANSWER, tell_far=True)
            self.tell(OWN, e.HungUp(at=self.at))

    def answered(self) -> None:
        """The far side took the call."""
        self.timers[RING_TIMER] = None
        if self._departure.time_limit is not None:
            self.timers[LIMIT_TIMER] = self.at + self._departure.time_limit
        if self._departure.record is not None:
            self.record(self.session.own, self.media_sid(RECORDING), self._departure.record)

    @property
    def _departure(self) -> Departure:
        assert self.session.departure is not None
        return self.session.departure

"""A leg waits in a queue, or for the caller at the front of one, and the two are connected."""

from dataclasses import replace

from callrouter.calls.session import Leg
from callrouter.calls.stay import Stay
from callrouter.calls.steps.conferring import Conferring
from instructions import commands as c


class Queueing(Conferring):
    """The part of a draft that is about queues."""

    def join_queue(self, leg: Leg, wanted: c.JoinQueue | c.TakeFromQueue) -> None:
        if not leg.live:
            return
        leg = self.vacate(leg)
        agent = isinstance(wanted, c.TakeFromQueue)
        self.keep(replace(leg, stay=Stay(kind="agent" if agent else "queue", ticket=self.entry_id())))
        self.line(
            self.face(leg),
            "router",
            f"takes from the queue {wanted.queue}" if agent else f"waits in the queue {wanted.queue}",
        )
        if isinstance(wanted, c.TakeFromQueue):
            self.send("queue.take", leg, queue=wanted.queue, url=wanted.url, method=wanted.method)
        else:
            self.send("queue.join", leg, queue=wanted.queue, max_size=wanted.max_size)

    def connect_queued(self, leg: Leg) -> None:
        if leg.live and leg.stay and leg.stay.kind == "queue":
            self.send("queue.connect", leg, ticket=leg.stay.ticket)

    def leave_queue(self, leg: Leg) -> Leg:
        """The leg as it is outside; nothing happens if it is."""
        stay = leg.stay
        if stay is None or stay.kind not in ("queue", "agent"):
            return leg
        leg = replace(leg, stay=None)
        self.keep(leg)
        if stay.peer:
            self.send("unbridge", leg)
        self.send("queue.leave", leg, ticket=stay.ticket)
        return leg

    def vacate(self, leg: Leg, *, call_status: str = "in-progress") -> Leg:
        """The leg outside any conference or queue."""
        return self.leave_queue(self.leave_conference(leg, call_status=call_status))

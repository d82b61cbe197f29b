"""Drives one session through happenings and checks after each what must hold after every step."""

import itertools
from collections import Counter

from callrouter.calls import happenings as h
from callrouter.calls.session import OWN, CallSession, Leg, dumps, loads
from callrouter.calls.status import FOLLOWS, Status
from callrouter.calls.steps.draft import Entry, Step
from callrouter.calls.steps.step import step
from instructions.commands import StatusCallback
from instructions.interpreter import new_session

A, B = "leg-1-0-0", "leg-1-0-1"
"""What the language calls the legs of a first document's first Dial."""
ALL = ("initiated", "ringing", "answered", "completed")
EVENTS = f"statusCallbackEvent='{' '.join(ALL)}'"
CLIENT_AND_PHONE = (
    "<Response><Dial action='/done'>"
    f"<Client statusCallback='https://app.test/a' {EVENTS}>alice</Client>"
    f"<Number statusCallback='https://app.test/b' {EVENTS}>+14155550177</Number>"
    "</Dial></Response>"
)


class History:
    """A call and everything that it wrote. Time passes one second per happening."""

    def __init__(self, *, identity: str = "") -> None:
        callback = StatusCallback(url="https://app.test/status", method="POST", events=ALL)
        from_ = f"client:{identity}" if identity else "+14155550100"
        own = Leg(
            name=OWN,
            call_sid="CA0",
            direction="inbound",
            from_=from_,
            to="+14155550101",
            status=Status.RINGING,
            sdp="v=0",
            identity=identity,
            carrier="" if identity else "acme",
            carrier_call_id="" if identity else "x1",
            callback=callback,
        )
        program = new_session(url="https://app.test/voice", caller=from_)
        self.session = CallSession(account_sid="AC1", legs={OWN: own}, programs={OWN: program})
        self.outbox: list[Entry] = []
        self.steps: list[Step] = []
        self._sids = (f"CA{number}" for number in itertools.count(1))
        self._at = 1_000.0

    # -- doing

    def tell(self, kind: type[h.Happening], **fields: object) -> Step:
        """Takes one happening through a stored and reloaded session, as the engine would after a restart."""
        self._at += 1
        before = self.session
        taken = step(before, kind(at=self._at, **fields), lambda: next(self._sids))
        self.session = loads(dumps(taken.session))
        assert self.session == taken.session
        self.outbox.extend(taken.outbox)
        self.steps.append(taken)
        self._check(before, taken)
        return taken

    def begin(self, document: str = CLIENT_AND_PHONE) -> "History":
        """The call arrives, its document comes and is run up to its first wait; the caller is answered."""
        self.tell(h.Began)
        self.document(document)
        if self.kinds()["answer"]:
            self.tell(h.Up)
        return self

    def document(self, text: str, program: str = OWN) -> Step:
        asked = [entry.payload for entry in self.outbox if entry.kind == "fetch"][-1]
        return self.tell(
            h.DocumentArrived,
            program=program,
            fetch=asked["fetch"],
            url=asked["url"],
            body=text.encode(),
            content_type="text/xml",
            cookies=(),
        )

    # -- looking

    def kinds(self, leg: str | None = None) -> Counter[str]:
        """How many entries of each kind were written, of this leg or in all."""
        return Counter(e.kind for e in self.outbox if leg is None or e.payload.get("leg") == leg)

    def statuses(self) -> dict[str, str]:
        return {name: leg.status.value for name, leg in self.session.legs.items()}

    def callbacks(self, name: str) -> list[str]:
        sid = self.session.legs[name].call_sid
        sent = [e.payload for e in self.outbox if e.kind == "callback" and e.lane == f"callback:{sid}"]
        assert [c["parameters"]["SequenceNumber"] for c in sent] == [str(n) for n in range(len(sent))]
        return [c["parameters"]["CallStatus"] for c in sent]

    # -- what holds after every step

    def _check(self, before: CallSession, taken: Step) -> None:
        now = {leg.call_sid: leg.status for leg in before.legs.values()}
        for change in taken.changes:
            sid, status = change.leg.call_sid, change.leg.status
            if change.new:
                assert sid not in now
            else:
                assert status in FOLLOWS.get(now[sid], ()), f"{now[sid]} -> {status}"
                assert (change.cause is not None) == status.final
            now[sid] = status
        assert now == {leg.call_sid: leg.status for leg in taken.session.legs.values()}
        assert taken.session.finished == all(status.final for status in now.values())
        assert taken.session.commands == len(self.outbox)
        assert taken.session.entries == sum(len(each.lines) for each in self.steps)
        if before.finished:
            assert taken.changes == ()
        if taken.session.finished:
            self._check_end()

    def _check_end(self) -> None:
        """Each leg's audio is closed once, and its end is told to the app once."""
        for name, leg in self.session.legs.items():
            assert self.kinds(name)["close"] == 1
            told = self.callbacks(name) or [leg.status.value]
            assert told[-1] == leg.status.value
            assert [status for status in told if Status(_status(status)).final] == [leg.status.value]


def _status(callback: str) -> str:
    return "queued" if callback == "initiated" else callback

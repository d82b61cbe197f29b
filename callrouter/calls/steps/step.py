"""One step of a live call, pure: a session and what happened give the next session and what to write.

The language decides what the document wants (`instructions.interpreter`); this module knows legs. It turns what happens
to them into the language's events; `callrouter.calls.steps.program` turns the language's commands into outbox
entries, status changes and timers. Ids come from an argument and time from the happening: any history can be replayed.
"""

from collections.abc import Callable
from dataclasses import replace

from callrouter.calls import happenings as h
from callrouter.calls.session import OWN, CallSession, Leg
from callrouter.calls.status import Cause, Status, leg_status
from callrouter.calls.steps.asides import together
from callrouter.calls.steps.departing import DEPARTURE_TIMERS, LIMIT_TIMER, LONGEST_CALL
from callrouter.calls.steps.dialling import local_name
from callrouter.calls.steps.draft import Step
from callrouter.calls.steps.telling import Telling
from instructions import commands as c
from instructions import events as e
from instructions.interpreter import new_session
from instructions.outcomes import Role

OVERTAKEN = 5.0
"""Seconds by which what happened later may be heard of sooner: a call's time does not go back for it. More than that
is a clock that was set."""


def step(session: CallSession, happening: h.Happening, new_sid: Callable[[], str]) -> Step:
    """What follows from this happening. Late, repeated and unknown ones change nothing."""
    overtaken = 0 < session.at - happening.at < OVERTAKEN
    at = session.at if overtaken else happening.at
    stepper = _Stepper(session, at, new_sid, rang_out=isinstance(happening, h.TimerDue))
    stepper.take(happening)
    stepper.end_orphans()
    return stepper.finished()


class _Stepper(Telling):
    def end_orphans(self) -> None:
        """When its dialler is gone, a leg that no program wants any more is ended too."""
        for leg in self.session.legs.values():
            of_its_own = leg.name in self.session.programs and not leg.application
            orphan = not self.session.dialler(leg).live and not of_its_own
            if leg.live and orphan:
                self.end(leg, Cause.CANCELED, tell_far=True)

    # -- what happened

    def take(self, happening: h.Happening) -> None:
        match happening:
            case h.Began() if self.session.departure:
                self.queue()
            case h.Began():
                self.line(self.face(self.session.own), "router", "call arrives")
                self.timers[LIMIT_TIMER] = self.at + LONGEST_CALL
                self.tell(OWN, e.Started(at=self.at))
            case h.DocumentArrived():
                self.session = replace(self.session, cookies=happening.cookies, first_parameters={})
                asking = self.session.legs.get(happening.program)
                if asking is not None and asking.first_parameters:
                    self.keep(replace(asking, first_parameters={}))
                self.line("app", "router", "document", url=happening.url, body=_text(happening.body))
                self.tell(
                    happening.program,
                    e.DocumentFetched(
                        at=self.at,
                        fetch=happening.fetch,
                        url=happening.url,
                        body=happening.body,
                        content_type=happening.content_type,
                    ),
                )
            case h.DocumentMissing():
                self.line(
                    "app", "router", f"no document: {happening.code} {happening.reason}", url=happening.url
                )
                self.tell(
                    happening.program,
                    e.DocumentFailed(
                        at=self.at,
                        fetch=happening.fetch,
                        url=happening.url,
                        code=happening.code,
                        reason=happening.reason,
                    ),
                )
            case h.Up():
                self.up(self.session.own)
            case h.TimerDue():
                self.timer_due(happening.timer)
            case (
                h.EndRequested()
                | h.Gone()
                | h.Chosen()
                | h.Rang()
                | h.Took()
                | h.Declined()
                | h.Pressed()
                | h.Said()
                | h.Sounded()
                | h.Recorded()
                | h.Adjusted()
                | h.ReplaceRequested()
                | h.Heard()
                | h.Told()
                | h.Spoke()
                | h.Texted()
            ):
                leg = self.session.legs.get(happening.leg)
                if leg is not None:
                    self.take_leg(leg, happening)

    def take_leg(self, leg: Leg, happening: h.Happening) -> None:
        match happening:
            case h.Rang() | h.Took() | h.Declined() | h.Pressed() if self.session.waiting:
                pass  # nobody was called yet
            case h.Chosen(identity=identity, account=account) if leg.live and not leg.answered:
                self.keep(replace(leg, identity=identity, client_account=account))
                self.line(
                    "router",
                    self.face(leg),
                    f"is for {identity}",
                    **({"account": account} if account else {}),
                )
            case h.Rang(endpoints=endpoints):
                self.rang(leg, endpoints)
            case h.Took():
                self.took(leg, happening)
            case h.Declined(endpoint=endpoint, vanished=vanished) if leg.live and not leg.answered:
                self.line(self.face(leg), "router", "vanished" if vanished else "declined", endpoint=endpoint)
                declined = (*leg.declined, endpoint)
                self.keep(replace(leg, declined=declined, vanished=leg.vanished or vanished))
                self.give_up_if_nobody_rings(leg.name)
            case h.Gone():
                self.gone(leg, happening)
            case h.Pressed(digits=digits) if leg.live:
                self.line(self.face(leg), "router", f"presses {digits}")
                self.pass_on(leg, digits)
                screened = leg.name in self.session.programs
                program, name = (leg.name, OWN) if screened else (leg.dialled_by, local_name(leg))
                self.tell(program, e.DigitsReceived(at=self.at, leg=name, digits=digits))
                if aside := self.session.aside_on(leg.name):
                    self.tell(aside, e.DigitsReceived(at=self.at, leg=OWN, digits=digits))
            case h.Said(content=content):
                self.line(self.face(leg), "router", "message", content=content)
            case h.Sounded():
                self.sounded(leg, happening)
            case h.Recorded():
                self.recorded(leg, happening)
            case h.Heard():
                self.hear(leg, happening)
            case h.Told():
                self.told(leg, happening)
            case h.Spoke():
                self.spoke(leg, happening)
            case h.Texted():
                self.texted(leg, happening)
            case h.Adjusted() if leg.live:
                self.adjust(leg, happening)
            case h.EndRequested():
                self.gone(leg, h.Gone(at=self.at, leg=leg.name, cause=Cause.API, far=False))
            case h.ReplaceRequested() if leg.live and (leg.answered or not leg.outbound):
                self.replace_document(leg, happening)

    def up(self, own: Leg) -> None:
        if not own.outbound and self.move(own, Status.IN_PROGRESS):
            self.tell(OWN, e.Answered(at=self.at))
        elif own.outbound and own.answered and own.live:
            self.tell(OWN, e.Started(at=self.at))

    def rang(self, leg: Leg, endpoints: tuple[str, ...]) -> None:
        if self.move(replace(leg, endpoints=endpoints), Status.RINGING):
            if leg.name != OWN:
                self.tell(leg.dialled_by, e.LegRinging(at=self.at, leg=local_name(leg)))
            self.give_up_if_nobody_rings(leg.name)

    def give_up_if_nobody_rings(self, name: str) -> None:
        """A client's leg whose devices all declined or vanished is over; before `Rang` we don't know of all of them."""
        leg = self.session.legs[name]
        if leg.status is Status.RINGING and leg.identity and set(leg.endpoints) <= set(leg.declined):
            # Busy means that all declined (PR-55).
            cause = Cause.SOCKET_LOST if leg.vanished else Cause.REJECTED
            self.gone(leg, h.Gone(at=self.at, leg=name, cause=cause))

    def took(self, leg: Leg, happening: h.Took) -> None:
        if not leg.live:
            self.end_far(leg, Cause.CANCELED)  # it answered after we gave it up: hang up, its status stays
            return
        if leg.status is Status.QUEUED:  # the answer overtook the news that it rings
            self.rang(leg, leg.endpoints or (happening.endpoint,))
            leg = self.session.legs[leg.name]
        endpoints = (happening.endpoint,) if happening.endpoint else ()
        if self.move(replace(leg, endpoints=endpoints or leg.endpoints), Status.IN_PROGRESS):
            if happening.sdp:
                self.send("accept", leg, sdp=happening.sdp)
            if leg.name != OWN:
                self.tell(leg.dialled_by, e.LegAnswered(at=self.at, leg=local_name(leg)))
                return
            self.answered()
            if not happening.sdp:  # its audio is there already
                self.tell(OWN, e.Started(at=self.at))

    def gone(self, leg: Leg, happening: h.Gone) -> None:
        if not leg.live:
            return
        if happening.code:
            self.note(happening.code, "0", happening.detail, leg)
        self.end(leg, happening.cause, tell_far=not happening.far, detail=happening.detail)
        if leg.name == OWN:
            self.tell(OWN, e.HungUp(at=self.at))
        else:
            status = leg_status(self.session.legs[leg.name].status)
            self.tell(leg.dialled_by, e.LegEnded(at=self.at, leg=local_name(leg), status=status))

    def pass_on(self, leg: Leg, digits: str) -> None:
        """A client's keys come beside its audio; a phone's travel in it, and the voice node passes them on."""
        hearer = self.session.joined_to(leg)
        if leg.identity and hearer is not None:
            self.send("press", hearer, digits=digits)
        elif leg.identity and leg.stay is not None and leg.stay.peer:
            self.send("queue.press", leg, digits=digits)
        if leg.identity and any(one.leg == leg.name for one in self.session.streams.values()):
            self.send("stream.press", leg, digits=digits)

    def sounded(self, leg: Leg, happening: h.Sounded) -> None:
        program, sound_id = together(leg.name, happening.sound_id)
        ended = e.SoundEnded(
            at=self.at,
            sound_id=sound_id,
            failed=happening.failed,
            code=happening.code,
            reason=happening.reason,
        )
        self.tell(program, ended)

    def recorded(self, leg: Leg, happening: h.Recorded) -> None:
        name = self.recording_over(leg, happening.sid, happening.seconds)
        if name is None:
            return
        ended = e.RecordingEnded(
            at=self.at,
            recording=name,
            cause=happening.cause,
            seconds=happening.seconds,
            silent=happening.silent,
        )
        self.tell(leg.name, ended)

    def texted(self, leg: Leg, happening: h.Texted) -> None:
        if happening.code:
            self.note(happening.code, "1", f"The text message is not sent: {happening.reason}", leg)
        sent = e.MessageSent(
            at=self.at, message=happening.message, sid=happening.sid, status=happening.status
        )
        self.tell(happening.program, sent)

    def timer_due(self, timer: str) -> None:
        self.timers[timer] = None
        if timer in DEPARTURE_TIMERS:
            self.departure_due(timer)
            return
        if timer == LIMIT_TIMER:
            self.gone(self.session.own, h.Gone(at=self.at, leg=OWN, cause=Cause.TIME_LIMIT, far=False))
            return
        program, _, name = timer.partition("|")
        self.tell(program, e.TimerFired(at=self.at, timer=name))

    def adjust(self, leg: Leg, request: h.Adjusted) -> None:
        if request.status_callback is not None:
            method = request.status_callback_method or "POST"
            events = leg.callback.events if leg.callback else ("completed",)
            callback = c.StatusCallback(url=request.status_callback, method=method, events=events)
            self.keep(replace(leg, callback=callback if request.status_callback else None))
        if request.time_limit is not None and self.session.departure and not self.session.own.answered:
            departure = replace(self.session.departure, time_limit=request.time_limit)
            self.session = replace(self.session, departure=departure)
        elif request.time_limit is not None:
            self.timers[LIMIT_TIMER] = (leg.answered_at or self.at) + request.time_limit

    def replace_document(self, leg: Leg, request: h.ReplaceRequested) -> None:
        self.line("rest", "router", "another document", leg=leg.name, url=request.url or "")
        self.redirected = True
        running = self.session.programs.get(leg.name)
        if running is not None and running.role is Role.CALL:
            self.tell(
                leg.name,
                e.Replaced(
                    at=self.at,
                    url=request.url,
                    method=request.method,
                    twiml=request.twiml,
                    fallback_url=request.fallback_url,
                    fallback_method=request.fallback_method,
                ),
            )
            return
        # A dialled leg leaves its Dial for a program of its own; the Dial is over.
        program = new_session(
            url=request.url or "",
            method=request.method,
            twiml=request.twiml,
            fallback_url=request.fallback_url,
            fallback_method=request.fallback_method,
            answered=leg.answered,
            role=Role.CALL,
        )
        self.session = self.session.with_program(leg.name, program)
        self.keep(replace(leg, bridged=False))
        self.send("unbridge", leg)
        ended = e.LegEnded(at=self.at, leg=local_name(leg), status=e.LegStatus.COMPLETED)
        self.tell(leg.dialled_by, ended)
        self.tell(leg.name, e.Started(at=self.at))


def _text(body: bytes) -> str:
    return body.decode("utf-8", "replace")

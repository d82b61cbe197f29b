"""One step of a live call, pure: a session and what happened give the next session and what to write.

The language decides what the document wants (`instructions.interpreter`); this module knows legs. It turns
the language's commands into outbox entries, status changes and timers, and what happens to legs into the
language's events. Ids come from an argument and time from the happening: any history can be replayed.
"""

from collections.abc import Callable
from dataclasses import replace

from callrouter.calls import happenings as h
from callrouter.calls import parameters
from callrouter.calls.draft import Change, Draft, Entry, Step
from callrouter.calls.session import OWN, CallSession, Leg
from callrouter.calls.status import SIP_CODES, Cause, Status, leg_status
from instructions import commands as c
from instructions import events as e
from instructions.interpreter import advance, new_session
from instructions.outcomes import Role

LIMIT_TIMER = "limit"
LONGEST_CALL = 24 * 3600
"""Seconds after which any call is ended, so that none is in progress for ever (reliability-security I6)."""


def step(session: CallSession, happening: h.Happening, new_sid: Callable[[], str]) -> Step:
    """What follows from this happening. Late, repeated and unknown ones change nothing."""
    stepper = _Stepper(session, happening, new_sid)
    stepper.take(happening)
    stepper.end_orphans()
    return stepper.finished()


class _Stepper(Draft):
    def __init__(self, session: CallSession, happening: h.Happening, new_sid: Callable[[], str]) -> None:
        super().__init__(session, happening.at)
        self.new_sid = new_sid
        self.rang_out = isinstance(happening, h.TimerDue)

    def end_orphans(self) -> None:
        """When its dialler is gone, a leg that no program wants any more is ended too."""
        for leg in self.session.legs.values():
            orphan = not self.session.dialler(leg).live and leg.name not in self.session.programs
            if leg.live and orphan:
                self.end(leg, Cause.CANCELED, tell_far=True)

    # -- what happened

    def take(self, happening: h.Happening) -> None:
        match happening:
            case h.Began():
                self.line(self.face(self.session.own), "router", "call arrives")
                self.timers[LIMIT_TIMER] = self.at + LONGEST_CALL
                self.tell(OWN, e.Started(at=self.at))
            case h.DocumentArrived():
                self.session = replace(self.session, cookies=happening.cookies, first_parameters={})
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
                if self.move(self.session.own, Status.IN_PROGRESS):
                    self.tell(OWN, e.Answered(at=self.at))
            case h.TimerDue():
                self.timer_due(happening.timer)
            case (
                h.EndRequested()
                | h.Gone()
                | h.Rang()
                | h.Took()
                | h.Declined()
                | h.Pressed()
                | h.Said()
                | h.Adjusted()
                | h.ReplaceRequested()
            ):
                leg = self.session.legs.get(happening.leg)
                if leg is not None:
                    self.take_leg(leg, happening)

    def take_leg(self, leg: Leg, happening: h.Happening) -> None:
        match happening:
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
                program, name = (leg.name, OWN) if screened else (leg.dialled_by, _local(leg))
                self.tell(program, e.DigitsReceived(at=self.at, leg=name, digits=digits))
            case h.Said(content=content):
                self.line(self.face(leg), "router", "message", content=content)
            case h.Adjusted() if leg.live:
                self.adjust(leg, happening)
            case h.EndRequested():
                self.gone(leg, h.Gone(at=self.at, leg=leg.name, cause=Cause.API, far=False))
            case h.ReplaceRequested() if leg.live and (leg.answered or leg.name == OWN):
                self.replace_document(leg, happening)

    def rang(self, leg: Leg, endpoints: tuple[str, ...]) -> None:
        if self.move(replace(leg, endpoints=endpoints), Status.RINGING):
            self.tell(leg.dialled_by, e.LegRinging(at=self.at, leg=_local(leg)))
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
            self.tell(leg.dialled_by, e.LegAnswered(at=self.at, leg=_local(leg)))

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
            self.tell(leg.dialled_by, e.LegEnded(at=self.at, leg=_local(leg), status=status))

    def pass_on(self, leg: Leg, digits: str) -> None:
        """A client's keys come beside its audio; a phone's travel in it, and the voice node passes them on."""
        hearer = self.session.joined_to(leg)
        if leg.identity and hearer is not None:
            self.send("press", hearer, digits=digits)

    def timer_due(self, timer: str) -> None:
        self.timers[timer] = None
        if timer == LIMIT_TIMER:
            self.gone(self.session.own, h.Gone(at=self.at, leg=OWN, cause=Cause.TIME_LIMIT, far=False))
            return
        program, _, name = timer.partition("|")
        self.tell(program, e.TimerFired(at=self.at, timer=name))

    def adjust(self, leg: Leg, request: h.Adjusted) -> None:
        if request.status_callback is not None:
            method = request.status_callback_method or "POST"
            callback = c.StatusCallback(url=request.status_callback, method=method, events=("completed",))
            self.keep(replace(leg, callback=callback if request.status_callback else None))
        if request.time_limit is not None:
            self.timers[LIMIT_TIMER] = (leg.answered_at or self.at) + request.time_limit

    def replace_document(self, leg: Leg, request: h.ReplaceRequested) -> None:
        self.line("rest", "router", "another document", leg=leg.name, url=request.url or "")
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
        ended = e.LegEnded(at=self.at, leg=_local(leg), status=e.LegStatus.COMPLETED)
        self.tell(leg.dialled_by, ended)
        self.tell(leg.name, e.Started(at=self.at))

    # -- what the language wants

    def tell(self, program: str, event: e.Event) -> None:
        state = self.session.programs.get(program)
        if state is None:
            return
        state, wanted = advance(state, event)
        self.session = self.session.with_program(program, state)
        for command in wanted:
            self.do(program, command)

    def do(self, program: str, command: c.Command) -> None:
        leg = self.session.legs[program]
        match command:
            case c.Fetch():
                self.fetch(leg, command)
            case c.Answer():
                self.line("router", self.face(leg), "answer")
                self.send("answer", leg)
            case c.Reject(reason=reason):
                self.end(
                    leg, Cause.BUSY if reason == "busy" else Cause.NO_ANSWER, tell_far=True, reason=reason
                )
            case c.StartLeg():
                self.start(leg, command)
            case c.CancelLeg(leg=name) | c.HangUp(leg=name):
                dialled = self.dialled(leg, name)
                unanswered = Cause.NO_ANSWER if self.rang_out else Cause.CANCELED
                cause = Cause.NORMAL if dialled.answered else unanswered
                self.end(dialled, cause, tell_far=True)
            case c.ScreenLeg(leg=name, url=url, method=method):
                whisper = new_session(url=url, method=method, answered=True, role=Role.SCREENING)
                screened = self.dialled(leg, name).name
                self.session = self.session.with_program(screened, whisper)
                self.tell(screened, e.Started(at=self.at))
            case c.Bridge(leg=name):
                dialled = replace(self.dialled(leg, name), bridged=True)
                self.keep(dialled)
                self.line("router", self.face(dialled), "connected")
                self.send("bridge", dialled, legs=[leg.call_sid, dialled.call_sid])
            case c.SetTimer(timer=timer, seconds=seconds):
                self.timers[f"{program}|{timer}"] = self.at + seconds
            case c.CancelTimer(timer=timer):
                self.timers[f"{program}|{timer}"] = None
            case c.Warn(code=code, message=message, line=line, url=url):
                self.note(code, "1", _at_line(message, line), leg, url)
            case c.Fault(code=code, message=message, line=line, url=url):
                self.note(code, "0", _at_line(message, line), leg, url)
            case c.Finish(reason=reason):
                self.finish(leg, reason)

    def fetch(self, leg: Leg, command: c.Fetch) -> None:
        extra = dict(command.params)
        if command.leg is not None:
            dialled = self.dialled(leg, command.leg)
            extra["DialCallSid"] = dialled.call_sid
            if dialled.ended_because in SIP_CODES and not dialled.answered:
                extra["DialSipResponseCode"] = SIP_CODES[Cause(dialled.ended_because)]
        first = self.session.first_parameters if leg.name == OWN else {}
        values = {**first, **parameters.standard(self.session, leg), **extra}
        self.line("router", "app", f"{command.method} {command.url}", parameters=values)
        self.outbox.append(
            Entry(
                kind="fetch",
                lane=f"fetch:{leg.call_sid}",
                payload={
                    "program": leg.name,
                    "fetch": command.fetch,
                    "url": command.url,
                    "method": command.method,
                    "parameters": values,
                    "cookies": list(self.session.cookies),
                },
            )
        )

    def dialled(self, dialler: Leg, name: str) -> Leg:
        """The leg that this one's program calls so: each program counts its legs from the start."""
        return self.session.legs[self.full_name(dialler, name)]

    def full_name(self, dialler: Leg, name: str) -> str:
        return name if dialler.name == OWN else f"{[*self.session.legs].index(dialler.name)}.{name}"

    def start(self, own: Leg, command: c.StartLeg) -> None:
        client = isinstance(command.noun, c.ClientTarget)
        target = (
            f"client:{command.noun.identity}"
            if isinstance(command.noun, c.ClientTarget)
            else command.noun.number
        )
        leg = Leg(
            name=self.full_name(own, command.leg),
            dialled_by=own.name,
            call_sid=self.new_sid(),
            direction="outbound-dial",
            from_=command.caller_id or own.from_,
            to=target,
            status=Status.QUEUED,
            identity=command.noun.identity if isinstance(command.noun, c.ClientTarget) else "",
            send_digits="" if isinstance(command.noun, c.ClientTarget) else command.noun.send_digits or "",
            callback=command.status_callback,
        )
        self.keep(leg)
        self.changes.append(Change(leg=leg, new=True))
        self.call_back(leg)
        self.line("router", self.face(leg), "dial", call_sid=leg.call_sid, timeout=command.timeout)
        self.send("ringback" if own.answered else "ring", own)
        self.send(
            "start.client" if client else "start.carrier",
            leg,
            timeout=command.timeout,
            caller_id_given=command.caller_id is not None,
            parameters=list(command.noun.parameters) if isinstance(command.noun, c.ClientTarget) else [],
        )

    def finish(self, leg: Leg, reason: c.FinishReason) -> None:
        state = self.session.programs[leg.name]
        if leg.name != OWN:
            self.session = self.session.with_program(leg.name, None)
            if state.role is Role.SCREENING:
                accepted = reason is c.FinishReason.END_OF_DOCUMENT
                self.tell(leg.dialled_by, e.LegScreened(at=self.at, leg=_local(leg), accepted=accepted))
                return
        if self.session.legs[leg.name].live:
            failed = reason is c.FinishReason.APPLICATION_ERROR
            cause = Cause.APPLICATION_ERROR if failed else Cause.NORMAL if leg.answered else Cause.NO_ANSWER
            self.end(self.session.legs[leg.name], cause, tell_far=True)

    def end(self, leg: Leg, cause: Cause, *, tell_far: bool, reason: str = "", detail: str = "") -> None:
        super().end(leg, cause, tell_far=tell_far, reason=reason, detail=detail)
        if leg.name != OWN and leg.name in self.session.programs:
            self.tell(leg.name, e.HungUp(at=self.at))
            self.session = self.session.with_program(leg.name, None)


def _local(leg: Leg) -> str:
    """What the program that dialled the leg calls it."""
    return leg.name.rpartition(".")[2]


def _at_line(message: str, line: int | None) -> str:
    return message if line is None else f"{message} (line {line})"


def _text(body: bytes) -> str:
    return body.decode("utf-8", "replace")

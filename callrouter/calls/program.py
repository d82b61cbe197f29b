"""What a leg's program wants, done: the language's commands become outbox entries, status changes and timers."""

from collections.abc import Callable
from dataclasses import replace

from callrouter.calls import parameters
from callrouter.calls.draft import Change, Entry
from callrouter.calls.session import OWN, CallSession, Leg
from callrouter.calls.sounding import Sounding
from callrouter.calls.status import SIP_CODES, Cause, Status
from instructions import commands as c
from instructions import events as e
from instructions.interpreter import advance, new_session
from instructions.outcomes import Role


class Program(Sounding):
    """Runs the programs of a session's legs; `rang_out`: a timer is what happened."""

    def __init__(
        self, session: CallSession, at: float, new_sid: Callable[[], str], *, rang_out: bool
    ) -> None:
        super().__init__(session, at)
        self.new_sid = new_sid
        self.rang_out = rang_out

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
            case c.Play() | c.StopSounds() | c.Record() | c.StopRecording():
                self.sound(leg, command)
            case c.Finish(reason=reason):
                self.finish(leg, reason)

    def fetch(self, leg: Leg, command: c.Fetch) -> None:
        extra = dict(command.params)
        if command.leg is not None:
            dialled = self.dialled(leg, command.leg)
            extra["DialCallSid"] = dialled.call_sid
            if dialled.ended_because in SIP_CODES and not dialled.answered:
                extra["DialSipResponseCode"] = SIP_CODES[Cause(dialled.ended_because)]
        if command.recording is not None:
            extra |= self.recording_parameters(leg, command.recording)
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
                self.tell(leg.dialled_by, e.LegScreened(at=self.at, leg=local_name(leg), accepted=accepted))
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


def local_name(leg: Leg) -> str:
    """What the program that dialled the leg calls it."""
    return leg.name.rpartition(".")[2]


def _at_line(message: str, line: int | None) -> str:
    return message if line is None else f"{message} (line {line})"

"""What a leg's program wants, done: the language's commands become outbox entries, status changes and timers."""

from collections.abc import Callable
from dataclasses import replace

from callrouter.calls import parameters
from callrouter.calls.session import OWN, CallSession, Leg
from callrouter.calls.status import Cause, ending
from callrouter.calls.stay import leg_of
from callrouter.calls.steps.asides import apart
from callrouter.calls.steps.dialling import local_name
from callrouter.calls.steps.draft import Entry
from callrouter.calls.steps.texting import Texting
from instructions import commands as c
from instructions import events as e
from instructions.interpreter import advance, new_session
from instructions.outcomes import Role


class Program(Texting):
    """Runs the programs of a session's legs; `rang_out`: a timer is what happened."""

    def __init__(
        self, session: CallSession, at: float, new_sid: Callable[[], str], *, rang_out: bool
    ) -> None:
        super().__init__(session, at, new_sid)
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
        leg = self.session.legs[leg_of(program)]
        match command:
            case c.Fetch():
                self.fetch(leg, program, command)
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
                if dialled.application:
                    self.send("enter", dialled)
            case c.SetTimer(timer=timer, seconds=seconds):
                self.timers[f"{program}|{timer}"] = self.at + seconds
            case c.CancelTimer(timer=timer):
                self.timers[f"{program}|{timer}"] = None
            case c.Warn(code=code, message=message, line=line, url=url):
                self.note(code, "1", _at_line(message, line), leg, url)
            case c.Fault(code=code, message=message, line=line, url=url):
                self.note(code, "0", _at_line(message, line), leg, url)
            case c.Play(sound_id=name) if program != leg.name:
                self.sound(leg, replace(command, sound_id=apart(program, name)))
            case c.Play() | c.StopSounds() | c.Record() | c.StopRecording() | c.Echo() | c.StopEcho():
                self.sound(leg, command)
            case c.StartStream() | c.StopStream():
                self.stream(leg, program, command)
            case c.Listen() | c.StopListening():
                self.listen(leg, program, command)
            case c.RunAside():
                self.run_aside(leg, command)
            case c.StopAside():
                self.stop_aside(leg)
            case c.JoinConference():
                self.join_conference(leg, command)
            case c.LeaveConference():
                self.leave_conference(leg)
            case c.JoinQueue() | c.TakeFromQueue():
                self.join_queue(leg, command)
            case c.ConnectQueued():
                self.connect_queued(leg)
            case c.LeaveQueue() | c.StopTaking():
                self.leave_queue(leg)
            case c.SendMessage():
                self.text(leg, program, command)
            case c.Finish(reason=reason) if program in self.session.asides:
                self.aside_over(program, reason)
            case c.Finish(reason=reason):
                self.finish(leg, reason)

    def fetch(self, leg: Leg, program: str, command: c.Fetch) -> None:
        extra, waits_for = dict(command.params), self.until_over(None)
        if command.leg is not None:
            dialled = self.dialled(leg, command.leg)
            extra["DialCallSid"] = dialled.call_sid
            if code := parameters.sip_code(dialled):
                extra["DialSipResponseCode"] = code
        if command.recording is not None:
            told, waits_for = self.recording_parameters(leg, command.recording)
            extra |= told
        first = self.session.first_parameters if leg.name == OWN else leg.first_parameters
        if aside := self.session.asides.get(program):
            first = aside.parameters
        values = {**first, **parameters.standard(self.session, leg), **extra}
        asked = f"{command.method} {command.url}"
        self.line("router", "app", asked, parameters=values, request=self.entry_id())
        self.outbox.append(
            Entry(
                kind="fetch",
                lane=f"fetch:{leg.call_sid}{program.removeprefix(leg.name)}",
                payload={
                    "program": program,
                    "fetch": command.fetch,
                    "url": command.url,
                    "method": command.method,
                    "parameters": values,
                    "cookies": list(self.session.cookies),
                    **waits_for,
                    **({"queue": leg.call_sid} if aside and aside.queue else {}),
                },
            )
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
            if leg.application:  # whose caller hears of the end of its document
                ended = e.LegEnded(at=self.at, leg=local_name(leg), status=e.LegStatus.COMPLETED)
                self.tell(leg.dialled_by, ended)

    def end(self, leg: Leg, cause: Cause, *, tell_far: bool, reason: str = "", detail: str = "") -> None:
        if leg.live:
            if aside := self.session.aside_on(leg.name):
                self.drop_aside(aside)
            leg = self.vacate(leg, call_status=ending(cause, leg.answered).value)
        super().end(leg, cause, tell_far=tell_far, reason=reason, detail=detail)
        if leg.name != OWN and leg.name in self.session.programs:
            self.tell(leg.name, e.HungUp(at=self.at))
            self.session = self.session.with_program(leg.name, None)


def _at_line(message: str, line: int | None) -> str:
    return message if line is None else f"{message} (line {line})"

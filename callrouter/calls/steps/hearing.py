"""What happens to a leg's audio beside its sounds: to its streams, its recordings, and what is said on it."""

from callrouter.calls import happenings as h
from callrouter.calls.running import Listening
from callrouter.calls.session import Leg
from callrouter.calls.steps.program import Program
from instructions import events as e
from instructions.interpreter import new_session
from instructions.outcomes import Role


class Hearing(Program):
    """Every `happenings.Heard`; what is late or unknown changes nothing."""

    def hear(self, leg: Leg, happening: h.Heard) -> None:
        match happening:
            case h.SpeechBegan(listen=id) | h.SpeechSoFar(listen=id) | h.SpeechOver(listen=id):
                program, listening = self.listener(id) or ("", None)
                if listening is not None and leg.live:
                    self.speech(leg, program, listening, happening)
            case h.StreamUp(sid=sid) if sid in self.session.streams:
                self.stream_up(leg, sid)
            case h.StreamDisturbed(sid=sid, code=code, reason=reason) if sid in self.session.streams:
                self.note(code, "1", reason, leg)
            case h.StreamOver(sid=sid) if sid in self.session.streams:
                self.stream_gone(leg, happening)
            case h.StreamWanted(sid=sid, wanted=wanted) if self.up_and_running(leg):
                self.start_stream(leg, leg.name, sid, wanted)
            case h.StreamUnwanted(sid=sid) if sid in self.session.streams:
                self.send("stream.stop", leg, stream=sid)
            case h.RecordingWanted(sid=sid, wanted=wanted) if self.up_and_running(leg):
                if not self.session.recorded(leg):
                    self.record(leg, sid, wanted)
            case h.RecordingSteered(sid=sid) if leg.live and sid in self.session.recordings:
                self.steer_recording(leg, happening)
            case h.Entered():
                self.enter(leg, happening)

    @staticmethod
    def up_and_running(leg: Leg) -> bool:
        return leg.live and leg.answered

    def speech(
        self,
        leg: Leg,
        program: str,
        listening: Listening,
        happening: h.SpeechBegan | h.SpeechSoFar | h.SpeechOver,
    ) -> None:
        match happening:
            case h.SpeechBegan():
                self.tell(program, e.SpeechStarted(at=self.at, listen=listening.name))
            case h.SpeechSoFar(text=text, number=number):
                if listening.partial is not None:
                    self.tell_partial(leg, listening.partial, text, number)
            case h.SpeechOver(text=text):
                self.heard(leg, program, text)
                heard = e.SpeechHeard(
                    at=self.at,
                    listen=listening.name,
                    text=text,
                    confidence=happening.confidence,
                    failed=happening.failed,
                    code=happening.code,
                    reason=happening.reason,
                )
                self.tell(program, heard)

    def stream_gone(self, leg: Leg, happening: h.StreamOver) -> None:
        stream = self.session.streams[happening.sid]
        # A program notes what happened to a stream that it waits for; nobody else does for the others.
        self.stream_over(leg, happening.sid, code=happening.code, reason=happening.reason)
        if stream.name:
            ended = e.StreamEnded(
                at=self.at,
                stream=stream.name,
                failed=happening.failed,
                code=happening.code,
                reason=happening.reason,
            )
            self.tell(stream.program, ended)

    def steer_recording(self, leg: Leg, happening: h.RecordingSteered) -> None:
        sid, recording = happening.sid, self.session.recordings[happening.sid]
        if recording.stopping or recording.seconds is not None or recording.leg != leg.name:
            return
        self.line("rest", "router", f"recording {happening.to}", recording=sid)
        self.recording_states[sid] = happening.to
        match happening.to:
            case "paused":
                self.send("record.pause", leg, recording=sid, skip=happening.skip)
            case "in-progress":
                self.send("record.resume", leg, recording=sid)
            case "stopped":
                self.stop_recording(leg, sid)

    def enter(self, leg: Leg, happening: h.Entered) -> None:
        """A dialled application's program begins, once it can be heard."""
        if not self.up_and_running(leg) or leg.name in self.session.programs:
            return
        program = new_session(
            url=happening.url,
            method=happening.method,
            fallback_url=happening.fallback_url,
            fallback_method=happening.fallback_method,
            answered=True,
            role=Role.CALL,
            caller=leg.from_,
        )
        self.session = self.session.with_program(leg.name, program)
        self.tell(leg.name, e.Started(at=self.at))

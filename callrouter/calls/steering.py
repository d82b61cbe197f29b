"""What REST may do to the audio of a live call: record it, and stream it."""

from typing import Literal

from callrouter.calls import happenings as h
from callrouter.calls.front import NOT_LIVE, Front
from callrouter.calls.session import CallSession, Leg
from foundation.sids import RECORDING, STREAM, new_sid
from foundation.webserver.errors import ApiError
from instructions.commands import Record, StartStream

RECORDED_ALREADY = 16108
State = Literal["paused", "in-progress", "stopped"]


class SteeringFront(Front):
    """The front, with the methods of `callrouter.api.live_audio.LiveAudio`."""

    def start_recording(self, account_sid: str, call_sid: str, wanted: Record) -> str:
        sid = new_sid(RECORDING)
        session, leg = self._talking(account_sid, call_sid)
        if running := session.recorded(leg):
            raise _recorded_already(running)
        request = h.RecordingWanted(at=self._engine.now(), leg=leg.name, sid=sid, wanted=wanted)
        then = self.happen(call_sid, request)
        if then is None or sid not in then.recordings:  # another request, or the end of the call, was quicker
            running = then.recorded(leg) if then else None
            raise _recorded_already(running) if running else _not_talking()
        return sid

    def steer_recording(self, account_sid: str, call_sid: str, sid: str, to: State, *, skip: bool) -> bool:
        session = self.live(account_sid, call_sid)
        leg = session.leg_of(call_sid) if session else None
        recording = session.recordings.get(sid) if session else None
        if leg is None or recording is None or recording.stopping or recording.seconds is not None:
            return False
        steered = h.RecordingSteered(at=self._engine.now(), leg=leg.name, sid=sid, to=to, skip=skip)
        self.happen(call_sid, steered)
        return True

    def current_recording(self, account_sid: str, call_sid: str) -> str | None:
        session = self.live(account_sid, call_sid)
        leg = session.leg_of(call_sid) if session else None
        return session.recorded(leg) if session and leg else None

    def start_stream(self, account_sid: str, call_sid: str, wanted: StartStream) -> str:
        sid = new_sid(STREAM)
        session, leg = self._talking(account_sid, call_sid)
        if any(one.title == wanted.name for one in session.streams.values() if one.leg == leg.name):
            raise ApiError(400, 20001, f"Name: a stream {wanted.name!r} of this call runs already.")
        self.happen(call_sid, h.StreamWanted(at=self._engine.now(), leg=leg.name, sid=sid, wanted=wanted))
        return sid

    def stop_stream(self, account_sid: str, call_sid: str, sid: str) -> None:
        session = self.live(account_sid, call_sid)
        leg = session.leg_of(call_sid) if session else None
        if session and leg and sid in session.streams:
            self.happen(call_sid, h.StreamUnwanted(at=self._engine.now(), leg=leg.name, sid=sid))

    def _talking(self, account_sid: str, call_sid: str) -> tuple[CallSession, Leg]:
        """The session and the leg, which is answered; ApiError 21220 when it is not."""
        session = self.live(account_sid, call_sid)
        leg = session.leg_of(call_sid) if session else None
        if session is None or leg is None or not leg.answered:
            raise _not_talking()
        return session, leg


def _not_talking() -> ApiError:
    return ApiError(400, NOT_LIVE, "Requested resource is not eligible: the call is not in progress.")


def _recorded_already(sid: str) -> ApiError:
    return ApiError(400, RECORDED_ALREADY, f"The call is being recorded already, as {sid}: stop that first.")

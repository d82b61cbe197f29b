"""What REST asks of the audio of live calls, noted; the rows are those that the engine would write."""

from typing import Any

from sqlalchemy import insert, update

from callrouter.calls import recordings, streams
from callrouter.calls.steps.draft import NewRecording, NewStream, Step
from callrouter.models import Recording, Stream
from foundation.clock import utc_now
from foundation.db import Database
from foundation.sids import RECORDING, STREAM, new_sid
from foundation.webserver.errors import ApiError
from instructions.commands import Record, StartStream

SECONDS = 10


class RecordedAudio:
    """Of calls that talk; those in `silent` do not."""

    database: Database

    def __init__(self) -> None:
        self.audio: list[tuple[Any, ...]] = []
        self.current: dict[str, str] = {}
        self.silent: set[str] = set()

    def start_recording(self, account_sid: str, call_sid: str, wanted: Record) -> str:
        self._demand(call_sid)
        if call_sid in self.current:
            raise ApiError(400, 16108, "The call is being recorded already.")
        sid = self.current[call_sid] = new_sid(RECORDING)
        self.audio.append(("record", call_sid, wanted))
        step = _step(recordings=(NewRecording(sid=sid, call_sid=call_sid, wanted=wanted),))
        self._write(insert(Recording).values(recordings.new_rows(account_sid, step)))
        return sid

    def steer_recording(self, account_sid: str, call_sid: str, sid: str, to: str, *, skip: bool) -> bool:
        self.audio.append((to, call_sid, sid, skip))
        if self.current.get(call_sid) != sid:
            return False
        if to == "stopped":
            del self.current[call_sid]
        mine = (Recording.account_sid == account_sid, Recording.sid == sid)
        self._write(update(Recording).where(*mine, Recording.status.in_(recordings.LIVE)).values(status=to))
        return True

    def current_recording(self, account_sid: str, call_sid: str) -> str | None:
        return self.current.get(call_sid)

    def start_stream(self, account_sid: str, call_sid: str, wanted: StartStream) -> str:
        self._demand(call_sid)
        sid = new_sid(STREAM)
        self.audio.append(("stream", call_sid, wanted))
        step = _step(streams=(NewStream(sid=sid, call_sid=call_sid, title=wanted.name or sid),))
        self._write(insert(Stream).values(streams.new_rows(account_sid, step)))
        return sid

    def stop_stream(self, account_sid: str, call_sid: str, sid: str) -> None:
        self.audio.append(("stop", call_sid, sid))

    def _demand(self, call_sid: str) -> None:
        if call_sid in self.silent:
            raise ApiError(400, 21220, "The call is not in progress.")

    def _write(self, statement: Any) -> None:
        self.database.write(lambda c: c.execute(statement)).result(SECONDS)


def _step(**what: Any) -> Step:
    at = utc_now().timestamp()
    return Step(session=None, at=at, outbox=(), changes=(), timers={}, notes=(), lines=(), **what)  # type: ignore[arg-type]

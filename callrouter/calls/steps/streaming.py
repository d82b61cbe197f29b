"""Streams of a leg's audio to a WebSocket (https://www.twilio.com/docs/voice/twiml/stream), and who is told of them."""

from dataclasses import replace
from datetime import UTC, datetime

from callrouter.calls.running import Stream
from callrouter.calls.session import Leg
from callrouter.calls.status import Cause
from callrouter.calls.steps.draft import Entry, NewStream
from callrouter.calls.steps.sounding import Sounding
from foundation.sids import STREAM
from instructions import commands as c

STARTED, STOPPED, ERROR = "stream-started", "stream-stopped", "stream-error"
NODE_LOST = 31900


class Streaming(Sounding):
    """The part of a draft that is about streams."""

    def stream(self, leg: Leg, program: str, command: c.StartStream | c.StopStream) -> None:
        match command:
            case c.StartStream():
                self.start_stream(leg, program, self.media_sid(STREAM), command)
            case c.StopStream(stream=stream, name=title):
                for sid, one in self.session.streams.items():
                    own = (one.leg, one.program, one.name) == (leg.name, program, stream)
                    if own or (one.leg == leg.name and title is not None and one.title == title):
                        self.send("stream.stop", leg, stream=sid)

    def start_stream(self, leg: Leg, program: str, sid: str, wanted: c.StartStream) -> None:
        stream = Stream(
            leg=leg.name,
            program=program,
            name=wanted.stream,
            title=wanted.name or sid,
            callback=wanted.callback,
        )
        self.session = replace(self.session, streams={**self.session.streams, sid: stream})
        self.streams.append(NewStream(sid=sid, call_sid=leg.call_sid, title=stream.title))
        self.line("router", "app", f"stream to {wanted.url}", stream=sid, track=wanted.track)
        self.send(
            "stream.start",
            leg,
            stream=sid,
            url=wanted.url,
            track=wanted.track,
            bidirectional=wanted.bidirectional,
            parameters=dict(wanted.parameters),
        )

    def stream_up(self, leg: Leg, sid: str) -> None:
        stream = self.session.streams[sid]
        if not stream.up:
            running = {**self.session.streams, sid: replace(stream, up=True)}
            self.session = replace(self.session, streams=running)
            self._tell_app(leg, sid, stream, STARTED)

    def stream_over(self, leg: Leg, sid: str, *, code: int = 0, reason: str = "") -> None:
        """Once for each stream; a `code` says why it failed."""
        stream = self.session.streams[sid]
        left = {name: one for name, one in self.session.streams.items() if name != sid}
        self.session = replace(self.session, streams=left)
        self.ended_streams.append(sid)
        self.line("router", "app", "stream failed" if code else "stream over", stream=sid)
        if code:
            self.note(code, "0", reason, leg)
        self._tell_app(leg, sid, stream, ERROR if code else STOPPED, reason)

    def end(self, leg: Leg, cause: Cause, *, tell_far: bool, reason: str = "", detail: str = "") -> None:
        """A leg's streams end with it: what its voice node says of them later is no news."""
        if leg.live:
            lost = cause is Cause.MEDIA_LOST
            for sid in [sid for sid, one in self.session.streams.items() if one.leg == leg.name]:
                self.stream_over(leg, sid, code=NODE_LOST if lost else 0, reason=detail if lost else "")
        super().end(leg, cause, tell_far=tell_far, reason=reason, detail=detail)

    def _tell_app(self, leg: Leg, sid: str, stream: Stream, event: str, error: str = "") -> None:
        if stream.callback is None:
            return
        parameters = {
            "AccountSid": self.session.account_sid,
            "CallSid": leg.call_sid,
            "StreamSid": sid,
            "StreamName": stream.title,
            "StreamEvent": event,
            "Timestamp": datetime.fromtimestamp(self.at, UTC).isoformat(timespec="milliseconds"),
            **({"StreamError": error} if error else {}),
        }
        callback = {"call_sid": leg.call_sid, "url": stream.callback.url, "method": stream.callback.method}
        payload = {**callback, "parameters": parameters}
        self.outbox.append(Entry(kind="callback", lane=f"stream:{sid}", payload=payload))

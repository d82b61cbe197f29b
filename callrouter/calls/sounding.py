"""What a program has its own leg say and record: entries for the voice node, and rows of recordings."""

import hashlib
from dataclasses import asdict, replace

from callrouter.calls import recordings
from callrouter.calls.draft import Draft, Entry, NewRecording
from callrouter.calls.parameters import Parameters
from callrouter.calls.session import Leg, Recording
from foundation.sids import RECORDING
from instructions import commands as c

LONGEST_LINE = 80
"""Characters of a spoken text in the ladder."""


class Sounding(Draft):
    """The part of a draft that is about sound."""

    def sound(self, leg: Leg, command: c.Play | c.StopSounds | c.Record | c.StopRecording) -> None:
        match command:
            case c.Play(sound_id=sound_id, sound=sound, loop=loop):
                self.line("router", self.face(leg), _words(sound))
                payload = {"kind": type(sound).__name__.lower(), **asdict(sound)}
                self.send("play", leg, sound_id=sound_id, sound=payload, loop=loop)
            case c.StopSounds():
                self.send("stop", leg)
            case c.Record():
                self.record(leg, command)
            case c.StopRecording(recording=name):
                if sid := self.recording_sid(leg, name):
                    self.send("record.stop", leg, recording=sid)

    def record(self, leg: Leg, command: c.Record) -> None:
        """The sid follows from the session and the entry's number: a history can be replayed."""
        stem = f"{self.session.call_sid}.{self.session.commands + len(self.outbox)}"
        sid = RECORDING + hashlib.sha256(stem.encode()).hexdigest()[:32]
        self._keep(sid, Recording(leg=leg.name, name=command.recording, started_at=self.at))
        self.line(self.face(leg), "router", "is recorded", recording=sid)
        self.recordings.append(
            NewRecording(sid=sid, call_sid=leg.call_sid, source="RecordVerb", callback=command.callback)
        )
        callback = command.callback
        if callback and "in-progress" in callback.events:
            told = recordings.callback(
                self.session.account_sid, leg.call_sid, sid, source="RecordVerb", started_at=self.at
            )
            payload = {"call_sid": leg.call_sid, "url": callback.url, "method": callback.method}
            entry = Entry(kind="callback", lane=f"recording:{sid}", payload={**payload, "parameters": told})
            self.outbox.append(entry)
        self.send(
            "record",
            leg,
            recording=sid,
            silence=command.silence,
            max_length=command.max_length,
            beep=command.beep,
            trim=command.trim,
        )

    def recording_over(self, leg: Leg, sid: str, seconds: int) -> str | None:
        """The name that the program gave the recording; None when it is none of this session's."""
        found = self.session.recordings.get(sid)
        if found is None:
            return None
        self._keep(sid, replace(found, seconds=seconds))
        self.line("router", self.face(leg), f"recorded {seconds} s", recording=sid)
        return found.name

    def recording_parameters(self, leg: Leg, name: str) -> Parameters:
        """What an `action` is told; a caller who has just hung up is being recorded still, as far as we know."""
        sid = self.recording_sid(leg, name)
        if sid is None:
            return {}
        found = self.session.recordings[sid]
        seconds = found.seconds if found.seconds is not None else max(0, round(self.at - found.started_at))
        return {
            "RecordingSid": sid,
            "RecordingUrl": recordings.path(self.session.account_sid, sid),
            "RecordingDuration": str(seconds),
        }

    def recording_sid(self, leg: Leg, name: str) -> str | None:
        found = [
            sid for sid, one in self.session.recordings.items() if (one.leg, one.name) == (leg.name, name)
        ]
        return found[-1] if found else None

    def _keep(self, sid: str, recording: Recording) -> None:
        self.session = replace(self.session, recordings={**self.session.recordings, sid: recording})


def _words(sound: c.Sound) -> str:
    match sound:
        case c.Speech(text=text):
            return f"say {text if len(text) <= LONGEST_LINE else text[:LONGEST_LINE] + '…'}"
        case c.File(url=url):
            return f"play {url}"
        case c.Keys(digits=digits):
            return f"play keys {digits}"

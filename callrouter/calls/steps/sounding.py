"""What a program has its own leg say and record: entries for the voice node, and rows of recordings."""

from dataclasses import asdict, replace

from callrouter.calls import parameters, recordings
from callrouter.calls.running import Recording
from callrouter.calls.session import Leg
from callrouter.calls.steps.draft import Draft, Entry, NewRecording
from foundation.sids import RECORDING
from instructions import commands as c

LONGEST_LINE = 80
"""Characters of a spoken text in the ladder."""

Sounds = c.Play | c.StopSounds | c.Record | c.StopRecording | c.Echo | c.StopEcho


class Sounding(Draft):
    """The part of a draft that is about sound."""

    def sound(self, leg: Leg, command: Sounds) -> None:
        match command:
            case c.Play(sound_id=sound_id, sound=sound, loop=loop):
                self.line("router", self.face(leg), _words(sound), **_whole(sound))
                payload = {"kind": type(sound).__name__.lower(), **asdict(sound)}
                self.send("play", leg, sound_id=sound_id, sound=payload, loop=loop)
            case c.StopSounds():
                self.send("stop", leg)
            case c.Record():
                self.record(leg, self.media_sid(RECORDING), command)
            case c.StopRecording(recording=name):
                if sid := self.recording_sid(leg, name):
                    self.stop_recording(leg, sid)
            case c.Echo() | c.StopEcho():
                on = isinstance(command, c.Echo)
                self.line("router", self.face(leg), "echo" if on else "no echo any more")
                self.send("echo", leg, on=on)

    def record(self, leg: Leg, sid: str, wanted: c.Record) -> None:
        running = Recording(leg=leg.name, name=wanted.recording, started_at=self.at, source=wanted.source)
        self.keep_recording(sid, running)
        self.line(self.face(leg), "router", "is recorded", recording=sid)
        self.recordings.append(NewRecording(sid=sid, call_sid=leg.call_sid, wanted=wanted))
        callback = wanted.callback
        if callback and recordings.IN_PROGRESS in callback.events:
            told = recordings.callback(
                self.session.account_sid,
                leg.call_sid,
                sid,
                source=wanted.source,
                started_at=self.at,
                channels=wanted.channels,
                track=wanted.track,
            )
            payload = {"call_sid": leg.call_sid, "url": callback.url, "method": callback.method}
            entry = Entry(kind="callback", lane=f"recording:{sid}", payload={**payload, "parameters": told})
            self.outbox.append(entry)
        self.send(
            "record",
            leg,
            recording=sid,
            silence=wanted.silence,
            max_length=wanted.max_length,
            beep=wanted.beep,
            trim=wanted.trim,
            track=wanted.track,
            channels=wanted.channels,
        )

    def stop_recording(self, leg: Leg, sid: str) -> None:
        self.keep_recording(sid, replace(self.session.recordings[sid], stopping=True))
        self.send("record.stop", leg, recording=sid)

    def recording_over(self, leg: Leg, sid: str, seconds: int) -> str | None:
        """The name that the program gave the recording; None when none of its waits for it."""
        found = self.session.recordings.get(sid)
        if found is None:
            return None
        self.keep_recording(sid, replace(found, seconds=seconds))
        self.line("router", self.face(leg), f"recorded {seconds} s", recording=sid)
        return found.name or None

    def recording_parameters(self, leg: Leg, name: str) -> tuple[parameters.Parameters, dict[str, str]]:
        """What an `action` is told, and for which recording the request waits."""
        sid = self.recording_sid(leg, name)
        if sid is None:
            return {}, {}
        return parameters.recorded(self.session, sid, self.at), self.until_over(sid)

    def recording_sid(self, leg: Leg, name: str) -> str | None:
        found = [
            sid for sid, one in self.session.recordings.items() if (one.leg, one.name) == (leg.name, name)
        ]
        return found[-1] if found else None

    def keep_recording(self, sid: str, recording: Recording) -> None:
        self.session = replace(self.session, recordings={**self.session.recordings, sid: recording})


def _whole(sound: c.Sound) -> dict[str, str]:
    """A text that is too long for its line."""
    return {"text": sound.text} if isinstance(sound, c.Speech) and len(sound.text) > LONGEST_LINE else {}


def _words(sound: c.Sound) -> str:
    match sound:
        case c.Speech(text=text):
            return f"say {text if len(text) <= LONGEST_LINE else text[:LONGEST_LINE] + '…'}"
        case c.File(url=url):
            return f"play {url}"
        case c.Keys(digits=digits):
            return f"play keys {digits}"
        case c.Music():
            return "play hold music"

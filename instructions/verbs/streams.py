"""What <Start>, <Stop> and <Connect> attach to a call's audio."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from instructions import commands
from instructions.attributes import (
    FLAG,
    LANGUAGE,
    METHOD,
    SOCKET_URL,
    URL,
    attribute,
    choice,
    count,
    text,
    words,
)
from instructions.commands import Command, Fault, Params, StartStream, StreamCallback, Warn
from instructions.elements import Element, Noun, Problem, idle_attributes, unresolved
from instructions.errors import NOT_ACTING, SCHEMA_WARNING
from instructions.outcomes import Call
from instructions.verbs.parameter import Config, Parameter, parameters
from instructions.verbs.recorded import LONGEST, recording_callback

MAX_PARAMETER = 500
"""Characters of a stream parameter's name and value together: Twilio's limit."""

_TRACKS: dict[str, Literal["inbound", "outbound", "both"]] = {
    "inbound_track": "inbound",
    "outbound_track": "outbound",
    "both_tracks": "both",
}
TRACKS = choice(*_TRACKS)


class Stream(Noun, nests=(Parameter,)):
    """Audio over a WebSocket. A relative URL starts from the document's; a query is cut off: use parameters."""

    name: str | None = attribute(text(64), default=None)
    connector_name: str | None = attribute(text(64), default=None, acts=False)
    url: str | None = attribute(SOCKET_URL, default=None, code=31922)
    track: str = attribute(TRACKS, default="inbound_track")
    status_callback: str | None = attribute(URL, default=None, code=11100)
    status_callback_method: str = attribute(METHOD, default="POST")
    audio_format: str | None = attribute(text(64), default=None, acts=False)
    sample_rate: int | None = attribute(count(8000, 48_000), default=None, acts=False)

    def check(self) -> Iterator[Problem]:
        for name, value in parameters(self):
            if len(name) + len(value) >= MAX_PARAMETER:
                message = (
                    f"<Parameter name={name[:80]!r}> is longer than {MAX_PARAMETER} characters: left out"
                )
                yield Problem(code=SCHEMA_WARNING, message=message, line=self.line)

    def start(
        self, call: Call, stream: str, notices: list[Command], *, bidirectional: bool
    ) -> StartStream | None:
        """The command; None when `notices` received why there is none."""
        notices.extend(idle_attributes(self, call))
        url = self._address(call)
        code, why = 31922, "<Stream> has no URL that can be used"
        if bidirectional and self.track != "inbound_track":
            code, why = 31941, f"<Connect> streams the inbound_track, not the {self.track}"
            url = None
        if url is None:
            message = f"{why}: nothing is streamed"
            notices.append(Fault(code=code, message=message, line=self.line, url=call.url))
            return None
        return StartStream(
            stream=stream,
            url=url,
            name=self.name,
            track=_TRACKS[self.track],
            bidirectional=bidirectional,
            parameters=self._parameters(),
            callback=self._callback(call, notices),
        )

    def _address(self, call: Call) -> str | None:
        bare = (self.url or "").partition("#")[0].partition("?")[0]
        if not bare or bare.lower().startswith(("wss://", "ws://")):
            return bare or None
        whole = call.resolve(bare)
        return None if whole is None else "ws" + whole.partition("?")[0][len("http") :]

    def _parameters(self) -> Params:
        return tuple(pair for pair in parameters(self) if len("".join(pair)) < MAX_PARAMETER)

    def _callback(self, call: Call, notices: list[Command]) -> StreamCallback | None:
        if not self.status_callback:
            return None
        url = call.resolve(self.status_callback)
        if url is None:
            notices.append(unresolved(self, "statusCallback", self.status_callback, call))
            return None
        return StreamCallback(url=url, method=self.status_callback_method)


class Siprec(Noun, nests=(Parameter,)):
    """Audio to a SIP recorder."""

    name: str | None = attribute(text(64), default=None)
    connector_name: str | None = attribute(text(64), default=None)
    track: str = attribute(TRACKS, default="both_tracks")
    status_callback: str | None = attribute(URL, default=None, code=11100)
    status_callback_method: str = attribute(METHOD, default="POST")


class Transcription(Noun, nests=(Config, Parameter)):
    """Speech to text while the call goes on."""

    name: str | None = attribute(text(64), default=None)
    track: str = attribute(TRACKS, default="both_tracks")
    status_callback_url: str | None = attribute(URL, default=None, code=11100)
    status_callback_method: str = attribute(METHOD, default="POST")
    inbound_track_label: str | None = attribute(text(64), default=None)
    outbound_track_label: str | None = attribute(text(64), default=None)
    partial_results: bool = attribute(FLAG, default=False)
    language_code: str = attribute(LANGUAGE, default="en-US")
    transcription_engine: str = attribute(choice("google", "deepgram"), default="google")
    profanity_filter: bool = attribute(FLAG, default=True)
    speech_model: str | None = attribute(text(64), default=None)
    hints: str | None = attribute(text(50_500), default=None)
    enable_automatic_punctuation: bool = attribute(FLAG, default=True)
    intelligence_service: str | None = attribute(text(128), default=None)


class Recording(Noun):
    """A recording that goes on until the call ends. Two channels, inbound first, only of both tracks."""

    recording_status_callback: str | None = attribute(URL, default=None, code=13256)
    recording_status_callback_method: str = attribute(METHOD, default="POST")
    recording_status_callback_event: tuple[str, ...] = attribute(
        words("in-progress", "completed", "absent"), default=("completed",), code=13621
    )
    trim: str = attribute(choice("trim-silence", "do-not-trim"), default="do-not-trim")
    track: Literal["inbound", "outbound", "both"] = attribute(
        choice("inbound", "outbound", "both"), default="both"
    )
    channels: str = attribute(choice("mono", "dual"), default="dual")
    recording_configuration_id: str | None = attribute(text(64), default=None, acts=False)

    def start(self, call: Call, recording: str, notices: list[Command]) -> commands.Record:
        notices.extend(idle_attributes(self, call))
        return commands.Record(
            recording=recording,
            silence=0,
            max_length=LONGEST,
            beep=False,
            trim=self.trim == "trim-silence",
            callback=recording_callback(self, call, notices),
            track=self.track,
            channels=2 if self.channels == "dual" and self.track == "both" else 1,
            source="StartCallRecordingTwiML",
        )


def skipped(noun: Element, call: Call) -> Warn:
    """The warning for a noun that is known and does not act yet."""
    message = f"<{noun.tag}> does not act yet: it was skipped"
    return Warn(code=NOT_ACTING, message=message, line=noun.line, url=call.url)

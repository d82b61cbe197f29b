"""What <Start>, <Stop> and <Connect> attach to a call's audio."""

from __future__ import annotations

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
from instructions.elements import Noun
from instructions.verbs.parameter import Config, Parameter

TRACKS = choice("inbound_track", "outbound_track", "both_tracks")


class Stream(Noun, nests=(Parameter,)):
    """Audio over a WebSocket."""

    name: str | None = attribute(text(64), default=None)
    connector_name: str | None = attribute(text(64), default=None)
    url: str | None = attribute(SOCKET_URL, default=None, code=31922)
    track: str = attribute(TRACKS, default="inbound_track")
    status_callback: str | None = attribute(URL, default=None, code=11100)
    status_callback_method: str = attribute(METHOD, default="POST")
    audio_format: str | None = attribute(text(64), default=None)
    sample_rate: int | None = attribute(count(8000, 48_000), default=None)


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
    """A recording that starts while the call goes on."""

    recording_status_callback: str | None = attribute(URL, default=None, code=13256)
    recording_status_callback_method: str = attribute(METHOD, default="POST")
    recording_status_callback_event: tuple[str, ...] = attribute(
        words("in-progress", "completed", "absent"), default=("completed",), code=13621
    )
    trim: str = attribute(choice("trim-silence", "do-not-trim"), default="do-not-trim")
    track: str = attribute(choice("inbound", "outbound", "both"), default="both")
    channels: str = attribute(choice("mono", "dual"), default="dual")
    recording_configuration_id: str | None = attribute(text(64), default=None)

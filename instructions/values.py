"""What commands are about: callees, sounds, and who is told."""

from __future__ import annotations

from dataclasses import dataclass

Params = tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class StatusCallback:
    url: str
    method: str
    events: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class NumberTarget:
    number: str
    send_digits: str | None = None


@dataclass(frozen=True, kw_only=True)
class ClientTarget:
    """A client, or a destination of several. `ring_mode`: all, priority or recent; `ring_every`: seconds for which a
    group of its devices rings before the next."""

    identity: str
    parameters: Params = ()
    ring_mode: str = "all"
    ring_every: int = 15


@dataclass(frozen=True, kw_only=True)
class SipTarget:
    """A SIP URI with its parameters; `headers` for the callee; credentials when it asks for some."""

    uri: str
    headers: Params = ()
    username: str | None = None
    password: str | None = None


@dataclass(frozen=True, kw_only=True)
class ApplicationTarget:
    """Another TwiML application, whose document runs on the leg that is dialled."""

    application_sid: str
    parameters: Params = ()


@dataclass(frozen=True, kw_only=True)
class Speech:
    """Text to read aloud; when `markup`, SSML inside `<speak>…</speak>`. `voice` None: the account's."""

    text: str
    markup: bool
    voice: str | None
    language: str


@dataclass(frozen=True, kw_only=True)
class File:
    """An audio file at an absolute URL."""

    url: str


@dataclass(frozen=True, kw_only=True)
class Keys:
    """DTMF digits with pauses w (0.5 s) and W (1 s), as tones to the own leg's far end."""

    digits: str


@dataclass(frozen=True, kw_only=True)
class Music:
    """The deployment's hold music."""


Sound = Speech | File | Keys | Music


@dataclass(frozen=True, kw_only=True)
class RecordingCallback:
    """Who hears about a recording, and of which of in-progress, completed and absent."""

    url: str
    method: str
    events: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ConferenceCallback:
    """Who hears about a conference: of start, end, join, leave, mute, hold, modify, speaker, announcement."""

    url: str
    method: str
    events: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class StreamCallback:
    url: str
    method: str


@dataclass(frozen=True, kw_only=True)
class PartialCallback:
    """Who is told what is understood so far."""

    url: str
    method: str

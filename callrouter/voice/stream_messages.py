"""The messages of a media stream, as JSON text: what the app is sent, and what it may send.

Source: Twilio's "Media Streams: WebSocket messages". Numbers are strings there, so they are strings here.
"""

from __future__ import annotations

import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

MALFORMED, INVALID = 31950, 31951

_MAX_NAME = 1024  # characters in the name of a mark: it is kept, and sent back

CONNECTED = '{"event":"connected","protocol":"Call","version":"1.0.0"}'
"""The first message of all; it has no number."""


@dataclass(frozen=True, kw_only=True)
class StreamOrder:
    """What the router asked for. `tracks`: inbound is what the far end says, outbound what it hears."""

    stream: str
    url: str
    account: str
    call: str
    tracks: tuple[str, ...]
    bidirectional: bool
    headers: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Outgoing:
    """A message without its number, which it gets when it is sent: numbers have no gaps. `rest` is JSON."""

    event: str
    rest: str

    def text(self, stream: str, number: int) -> str:
        return f'{{"event":"{self.event}","sequenceNumber":"{number}","streamSid":"{stream}",{self.rest}}}'


def start(order: StreamOrder) -> Outgoing:
    body = {
        "streamSid": order.stream,
        "accountSid": order.account,
        "callSid": order.call,
        "tracks": order.tracks,
        "customParameters": dict(order.parameters),
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
    }
    return Outgoing(event="start", rest=f'"start":{_json(body)}')


def media(track: str, chunk: int, milliseconds: int, audio: bytes) -> Outgoing:
    """Chunks of each track count from 1; time from the stream's start."""
    payload = binascii.b2a_base64(audio, newline=False).decode("ascii")
    rest = (
        f'"media":{{"track":"{track}","chunk":"{chunk}","timestamp":"{milliseconds}","payload":"{payload}"}}'
    )
    return Outgoing(event="media", rest=rest)


def dtmf(digit: str) -> Outgoing:
    return Outgoing(event="dtmf", rest=f'"dtmf":{_json({"track": "inbound_track", "digit": digit})}')


def mark(name: str) -> Outgoing:
    return Outgoing(event="mark", rest=f'"mark":{_json({"name": name})}')


def stop(order: StreamOrder) -> Outgoing:
    body = {"accountSid": order.account, "callSid": order.call}
    return Outgoing(event="stop", rest=f'"stop":{_json(body)}')


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


@dataclass(frozen=True, kw_only=True)
class Media:
    """Audio to play, mu-law."""

    audio: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Mark:
    """To be sent back when all audio before it is played."""

    name: str


@dataclass(frozen=True, kw_only=True)
class Clear:
    """Forget the audio that is not played yet."""


class MessageFault(ValueError):
    """The app sent a message that means nothing. `code` is Twilio's; the text says what is wrong with it."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def decode(message: str | bytes, stream: str) -> Media | Mark | Clear:
    """A message of the app to the stream with this SID. Raises `MessageFault`, and nothing else."""
    if isinstance(message, bytes):
        raise MessageFault(MALFORMED, "The app sent a binary message; messages are JSON text.")
    try:
        body = json.loads(message)
    except (ValueError, RecursionError):
        raise MessageFault(MALFORMED, "The app sent a message that is not JSON.") from None
    if not isinstance(body, dict):
        raise MessageFault(MALFORMED, "The app sent a message that is not a JSON object.")
    event, sid = body.get("event"), body.get("streamSid")
    if event not in ("media", "mark", "clear"):
        raise MessageFault(
            INVALID, f"The app sent the event {_shown(event)}; it may send media, mark and clear."
        )
    if sid != stream:
        raise MessageFault(
            INVALID, f"The app sent a message for the stream {_shown(sid)}; this one is {stream}."
        )
    if event == "clear":
        return Clear()
    return Media(audio=_audio(body)) if event == "media" else Mark(name=_name(body))


def _audio(body: dict[str, object]) -> bytes:
    payload = _member(body, "media", "payload")
    try:
        return binascii.a2b_base64(payload, strict_mode=True)
    except (binascii.Error, ValueError):
        raise MessageFault(INVALID, "The app sent media whose `payload` is not base64.") from None


def _name(body: dict[str, object]) -> str:
    name = _member(body, "mark", "name")
    if len(name) > _MAX_NAME:
        raise MessageFault(
            INVALID, f"The app sent a mark whose `name` is longer than {_MAX_NAME} characters."
        )
    return name


def _member(body: dict[str, object], event: str, name: str) -> str:
    inner = body.get(event)
    value = inner.get(name) if isinstance(inner, dict) else None
    if not isinstance(value, str):
        raise MessageFault(INVALID, f"The app sent {event} without `{event}.{name}`, a string.")
    return value


def _shown(value: object) -> str:
    return ascii(value) if isinstance(value, str) and len(value) <= 64 else f"<{type(value).__name__}>"

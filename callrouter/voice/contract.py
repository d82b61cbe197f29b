"""The voice node's control protocol: one JSON object per line, each way (NDJSON).

The router opens the connection and says `hello`; the node answers `welcome`. Then requests and
acknowledgements travel to the node, replies and events to the router. `docs` of each command are
in `commands.py`, of each event in `EventType`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

MAX_LINE = 65_536
"""The longest line a node accepts, in bytes, newline included."""
MAX_NODE_LINE = 1 << 20
"""The longest line a router accepts: a list of legs may be long."""

Address = tuple[str, int] | str
"""Where the node listens for control: (host, port), or the path of a Unix socket."""


class ErrorCode(StrEnum):
    """Why the node refused a request. The text beside it says what to do."""

    AT_CAPACITY = "at_capacity"
    BAD_REQUEST = "bad_request"
    BAD_SDP = "bad_sdp"
    BAD_TOKEN = "bad_token"  # noqa: S105 - a code, not a token
    DRAINING = "draining"
    INTERNAL = "internal"
    LEG_EXISTS = "leg_exists"
    NO_COMMON_CODEC = "no_common_codec"
    NO_PORTS = "no_ports"
    NO_SUCH_LEG = "no_such_leg"
    NO_SUCH_ROOM = "no_such_room"
    NOT_IN_ROOM = "not_in_room"
    REPLACED = "replaced"
    UNKNOWN_COMMAND = "unknown_command"


class EventType(StrEnum):
    """What a node reports by itself."""

    LEG_UP = "leg.up"
    """Audio can flow: an RTP leg has both SDPs, a browser leg has ICE, DTLS and a proven fingerprint.

    Comes again when a lost leg is back or a restart gave it new keys, and may come before the reply.
    """
    LEG_DTMF = "leg.dtmf"
    """The far end pressed a key: `digit`."""
    LEG_LOST = "leg.lost"
    """The path is gone, `reason` says why; the leg stays until closed, an ICE restart may revive it."""
    LEG_CLOSED = "leg.closed"
    """The leg is gone; `reason`."""
    LEG_MEDIA_TIMEOUT = "leg.media_timeout"
    """No packet for `seconds`. Once per silence."""
    JOB_DONE = "job.done"
    """What request `job` plays or presses ended; `reason` is finished, stopped, bridged, closed or failed.

    Failed: `code` is Twilio's, `message` says whose fault it is.
    """
    RECORDING_DONE = "recording.done"
    """A `recording` ended and its audio is stored: `cause` is silence, length, stopped, hangup or failed.

    `seconds` and `silent` are of what is stored; failed: `code` and `message` too. Nothing is stored of a
    recording of 0 seconds. It may come after `leg.closed`. Of a room: `room` is its name, and there is no leg.
    """
    ROOM_SPEECH = "room.speech"
    """A leg that joined `room` with `speaker` began (`speaking`) or ended to speak; a start is always ended."""
    STREAM_UP = "stream.up"
    """The app's WebSocket is open, and `stream` sends."""
    STREAM_WARNING = "stream.warning"
    """The app does something wrong on `stream`, which goes on: `code` is Twilio's, `message` says what. Once a code."""
    STREAM_DONE = "stream.done"
    """A `stream` ended: `cause` is stopped, hangup (of the leg), closed (by the app), or failed.

    Failed: `code` and `message` too. It comes before `leg.closed`.
    """
    SPEECH_STARTED = "speech.started"
    """The far end began to say something: `listen`."""
    SPEECH_PARTIAL = "speech.partial"
    """What is understood so far: `listen`, `text`, and `sequence` from 0."""
    SPEECH_DONE = "speech.done"
    """A `listen` ended: `cause` is silence or length, then `text` and `confidence` say what was understood.

    Or stopped, hangup or failed, without text; failed: `code` and `message` too. It comes before `leg.closed`.
    """
    NODE_DRAINED = "node.drained"
    """A draining node has no leg left, and no recording that is not stored."""


class ContractError(ValueError):
    """The other side sent a line that is not of this protocol."""


class VoiceError(Exception):
    """The node refused a request. `code` is an `ErrorCode`; `message` says what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class VoiceUnavailable(Exception):
    """No answer from the node in the time allowed. The same request id may be sent again."""


@dataclass(frozen=True, kw_only=True)
class Hello:
    token: str
    owner: str


@dataclass(frozen=True, kw_only=True)
class Ack:
    event_id: str


@dataclass(frozen=True, kw_only=True)
class Request:
    id: str
    type: str
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Welcome:
    """The node's first line. `node` changes with every start of the node; `legs` are those alive."""

    node: str
    legs: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Reply:
    """The answer to one request: `result` if `error_code` is None.

    With an empty `reply_to` it refuses the connection, which then ends.
    """

    reply_to: str
    result: Mapping[str, Any] = field(default_factory=dict)
    error_code: str | None = None
    error_message: str = ""


@dataclass(frozen=True, kw_only=True)
class VoiceEvent:
    """Something that happened on the node. Sent again after a reconnect until acknowledged.

    `at` is Unix seconds by the node's clock; `leg` is empty for events about the node.
    """

    event_id: str
    type: EventType
    leg: str
    at: float
    data: Mapping[str, Any] = field(default_factory=dict)


FromRouter = Hello | Ack | Request
FromNode = Welcome | Reply | VoiceEvent


def encode(message: FromRouter | FromNode) -> bytes:
    """The line, newline included. `ContractError` if it would be too long."""
    line = json.dumps(_wire(message), ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
    limit = MAX_LINE if isinstance(message, Hello | Ack | Request) else MAX_NODE_LINE
    if len(line) > limit:
        raise ContractError(f"a line of {len(line)} bytes; {limit} are allowed")
    return line


def _wire(message: FromRouter | FromNode) -> dict[str, Any]:
    match message:
        case Hello():
            return {"type": "hello", "token": message.token, "owner": message.owner}
        case Ack():
            return {"type": "ack", "event_id": message.event_id}
        case Request():
            return {**message.fields, "type": message.type, "id": message.id}
        case Welcome():
            return {"type": "welcome", "node": message.node, "legs": list(message.legs)}
        case Reply(error_code=None):
            return {**message.result, "reply_to": message.reply_to, "ok": True}
        case Reply():
            error = {"code": message.error_code, "message": message.error_message}
            return {"reply_to": message.reply_to or None, "ok": False, "error": error}
        case VoiceEvent():
            head = {"event": message.type, "event_id": message.event_id, "leg": message.leg, "at": message.at}
            return {**message.data, **head}


def decode_from_router(line: bytes) -> FromRouter:
    """A line that a node received. `ContractError` if it is none."""
    body = _object(line)
    match body.pop("type", None):
        case "hello":
            return Hello(token=_text(body, "token"), owner=_text(body, "owner"))
        case "ack":
            return Ack(event_id=_text(body, "event_id"))
        case str(kind):
            return Request(id=_text(body, "id"), type=kind, fields=body)
        case _:
            raise ContractError("a line needs a `type`")


def decode_from_node(line: bytes) -> FromNode:
    """A line that a router received. `ContractError` if it is none; `VoiceError` if the node refuses us."""
    body = _object(line)
    if "event" in body:
        name, at = _text(body, "event"), body.pop("at", None)
        if name not in set(EventType) or not isinstance(at, int | float):
            raise ContractError(f"an event of unknown type {name!r}, or without `at`")
        leg, event_id = str(body.pop("leg", "")), _text(body, "event_id")
        return VoiceEvent(event_id=event_id, type=EventType(name), leg=leg, at=at, data=body)
    if body.get("type") == "welcome":
        return Welcome(node=_text(body, "node"), legs=tuple(map(str, body.get("legs", ()))))
    error = body.pop("error", None) or {}
    ok, reply_to = body.pop("ok", None), body.pop("reply_to", None)
    if reply_to is None and error:
        raise VoiceError(str(error.get("code")), str(error.get("message")))
    if not isinstance(reply_to, str) or not isinstance(ok, bool):
        raise ContractError("a line that is neither event, welcome nor reply")
    if ok:
        return Reply(reply_to=reply_to, result=body)
    return Reply(
        reply_to=reply_to, error_code=str(error.get("code")), error_message=str(error.get("message"))
    )


def _object(line: bytes) -> dict[str, Any]:
    try:
        body = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ContractError("a line that is not JSON") from error
    if not isinstance(body, dict):
        raise ContractError("a line that is not a JSON object")
    return body


def _text(body: dict[str, Any], name: str) -> str:
    value = body.pop(name, None)
    if not isinstance(value, str) or not value:
        raise ContractError(f"`{name}` must be a non-empty string")
    return value

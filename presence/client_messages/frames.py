"""Frames about messages, beyond the Voice SDK's protocol; its clients never send them and never get them.

client: capabilities {capabilities}                       what this device takes from now on: voice, sms, mms
        text {id, to?, body?, from?, media?, session?}    sends one (PR-75); the same `id` each time it is tried
        text-ack {sid}                                    the device has shown that message (PR-72)
server: capabilities {capabilities}                       stored; what is held follows
        text {sid, from, to, body, media, session, at}    a message; again until it is acknowledged
        text-sent {id, sid, status}                       it is queued; `error {id}` otherwise
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from foundation.sids import MESSAGE, MESSAGE_WITH_MEDIA, is_sid
from foundation.webserver.errors import ApiError
from presence import fields
from presence.client_messages.outgoing import Sending
from presence.client_messages.outgoing import read as read_sending
from presence.registration import CAPABILITIES


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    capabilities: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class SendText:
    sending: Sending


@dataclass(frozen=True, kw_only=True)
class AckText:
    sid: str


TextFrame = Capabilities | SendText | AckText


class TextFrameRefused(Exception):
    """The frame breaks the protocol. `id`: of the message that the client sent."""

    def __init__(self, message: str, id: str = "") -> None:
        super().__init__(message)
        self.id = id


def _capabilities(payload: dict[str, Any]) -> Capabilities:
    given = fields.texts(payload, "capabilities", len(CAPABILITIES), 16)
    if not given or not set(given) <= set(CAPABILITIES):
        raise TextFrameRefused(f"capabilities are some of {', '.join(CAPABILITIES)}")
    return Capabilities(capabilities=tuple(one for one in CAPABILITIES if one in given))


def _text(payload: dict[str, Any]) -> SendText:
    return SendText(sending=read_sending(payload))


def _ack(payload: dict[str, Any]) -> AckText:
    sid = fields.text(payload, "sid", 34)
    if not is_sid(sid, MESSAGE) and not is_sid(sid, MESSAGE_WITH_MEDIA):
        raise TextFrameRefused("sid must be a message's, SM… or MM…")
    return AckText(sid=sid)


_READERS: dict[str, Callable[[dict[str, Any]], TextFrame]] = {
    "capabilities": _capabilities,
    "text": _text,
    "text-ack": _ack,
}


def reader(type: str) -> Callable[[dict[str, Any]], TextFrame] | None:
    """What reads the payload of such a frame, if it is one of these; TextFrameRefused for a wrong one."""
    read = _READERS.get(type)

    def checked(payload: dict[str, Any]) -> TextFrame:
        assert read is not None
        try:
            return read(payload)
        except ApiError as error:
            about = payload.get("id")
            raise TextFrameRefused(error.message, about if isinstance(about, str) else "") from None

    return checked if read else None


def capabilities(given: tuple[str, ...]) -> str:
    return _frame("capabilities", {"capabilities": list(given)})


def text(shown: dict[str, Any]) -> str:
    return _frame("text", shown)


def text_sent(id: str, sid: str, status: str) -> str:
    return _frame("text-sent", {"id": id, "sid": sid, "status": status})


def _frame(type: str, payload: dict[str, Any]) -> str:
    return json.dumps({"type": type, "payload": payload, "version": "1.6"}, separators=(",", ":"))

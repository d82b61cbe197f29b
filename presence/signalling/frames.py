"""The frames of the Voice SDK's signalling protocol: the client's nine messages parsed, ours built.

Text frames of one JSON object `{"type", "payload", "version"}`; a frame that is exactly a newline is a heartbeat
(voice-sdk-protocol 2 to 4). Beyond the SDK, which never sends them and ignores what it does not know, a client may
follow others and say how it is itself (PR-40, PR-20):

    client: subscribe {id, clients | list | prefix | everyone, view?, detail?, cursor?, legacy?}, unsubscribe {id},
            status {status, note}

What is sent for it is in `presence_frames`; messages have theirs in `presence.client_messages.frames`.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from presence.client_messages import frames as text_frames

HEARTBEAT = "\n"
PARAMS_LIMIT = 4_000  # bytes; the SDK's own limit is 800 a parameter set, apps in the field send more
CONTENT_LIMIT = 10_000  # bytes of a call message
MESSAGE_TYPE = "user-defined-message"
ID_LIMIT, STATUS_LIMIT, NOTE_LIMIT = 64, 64, 256  # characters

CALL_SID = re.compile(r"CA[0-9a-f]{32}\Z")
TEMPORARY_SID = re.compile(r"TJS[0-9A-Za-z-]{1,64}\Z")
EVENT_SID = re.compile(r"KX[0-9a-f]{32}\Z")
DIGITS = re.compile(r"[0-9A-Da-dwW#*]{1,100}\Z")
UFRAG = re.compile(r"^a=ice-ufrag:([A-Za-z0-9+/]{4,256})\s*$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Listen:
    """First frame, and again for each new token. `reconnect_timeout`: seconds for which the app wants calls kept."""

    token: str
    reconnect_timeout: int = 0
    agent: str = ""


@dataclass(frozen=True, kw_only=True)
class Register:
    audio: bool


@dataclass(frozen=True, kw_only=True)
class NewCall:
    """An outgoing call; `params` is URL-encoded text."""

    call_sid: str
    sdp: str
    params: str = ""


@dataclass(frozen=True, kw_only=True)
class Reattach:
    """A call's device is back, or another one takes the call over; `token` is our reconnect token."""

    call_sid: str
    sdp: str
    token: str


@dataclass(frozen=True, kw_only=True)
class Answer:
    call_sid: str
    sdp: str


@dataclass(frozen=True, kw_only=True)
class Reject:
    call_sid: str


@dataclass(frozen=True, kw_only=True)
class Hangup:
    """`call_sid` may be the temporary one."""

    call_sid: str
    message: str = ""


@dataclass(frozen=True, kw_only=True)
class Reinvite:
    """An ICE restart."""

    call_sid: str
    sdp: str


@dataclass(frozen=True, kw_only=True)
class Dtmf:
    call_sid: str
    digits: str


@dataclass(frozen=True, kw_only=True)
class CallMessage:
    call_sid: str
    content: Any
    content_type: str
    message_type: str
    event_sid: str


CallFrame = NewCall | Reattach | Answer | Reject | Hangup | Reinvite | Dtmf | CallMessage


@dataclass(frozen=True, kw_only=True)
class Subscribe:
    """Follow clients; `wanted` says whom, as the body of a query does. `legacy`: as twilio.js was told."""

    id: str
    wanted: dict[str, Any]
    cursor: int | None = None
    legacy: bool = False


@dataclass(frozen=True, kw_only=True)
class Unsubscribe:
    id: str


@dataclass(frozen=True, kw_only=True)
class SetStatus:
    """The client's own status, for all its devices; none of its own when empty."""

    status: str
    note: str


PresenceFrame = Subscribe | Unsubscribe | SetStatus
ClientFrame = Listen | Register | CallFrame | PresenceFrame | text_frames.TextFrame


class FrameRefused(Exception):
    """The client's frame breaks the protocol; `frame` is the answer that says so."""

    def __init__(
        self,
        code: int,
        message: str,
        call_sid: str = "",
        *,
        event_sid: str = "",
        ends: bool = False,
        id: str = "",
    ):
        super().__init__(message)
        self.frame = (
            hangup(call_sid, code, message) if ends else error(code, message, call_sid, event_sid, id=id)
        )


def parse(text: str) -> ClientFrame | None:
    """The client's message; None for a type we don't know (later SDKs may add some); FrameRefused when malformed."""
    try:
        frame = json.loads(text)
    except (ValueError, RecursionError):
        raise FrameRefused(31100, "a frame must be a JSON object") from None
    payload = frame.get("payload", {}) if isinstance(frame, dict) else None
    if not isinstance(payload, dict) or not isinstance(frame.get("type"), str):
        raise FrameRefused(31100, "a frame needs a type and a payload object")
    read = _READERS.get(frame["type"]) or text_frames.reader(frame["type"])
    try:
        return read(payload) if read else None
    except text_frames.TextFrameRefused as refused:
        raise FrameRefused(31100, str(refused), id=refused.id[:ID_LIMIT]) from None


def _listen(payload: dict[str, Any]) -> Listen:
    timeout = payload.get("reconnectTimeout")
    browser = payload.get("browserinfo")
    agent = browser.get("browser") if isinstance(browser, dict) else None
    return Listen(
        token=_text(payload, "token", 31102),
        reconnect_timeout=max(0, min(30, timeout)) if type(timeout) is int else 0,
        agent=str(agent.get("userAgent", ""))[:512] if isinstance(agent, dict) else "",
    )


def _register(payload: dict[str, Any]) -> Register:
    media = payload.get("media")
    return Register(audio=isinstance(media, dict) and media.get("audio") is True)


def _invite(payload: dict[str, Any]) -> NewCall | Reattach:
    if payload.get("reconnect"):
        known = _call_sid(payload)
        token = _text(payload, "reconnect", 31107, known, ends=True)
        return Reattach(call_sid=known, sdp=_text(payload, "sdp", 31101, known, ends=True), token=token)
    call_sid = payload.get("callsid")
    if not isinstance(call_sid, str) or not TEMPORARY_SID.match(call_sid):
        raise FrameRefused(31101, "a new call needs a temporary callsid, TJS…")
    twilio = payload.get("twilio")
    params = twilio.get("params") or "" if isinstance(twilio, dict) else ""
    if not isinstance(params, str) or "\0" in params:
        raise FrameRefused(31101, "params must be URL-encoded text", call_sid, ends=True)
    if len(params.encode()) > PARAMS_LIMIT:
        raise FrameRefused(31103, f"the call's parameters exceed {PARAMS_LIMIT} bytes", call_sid, ends=True)
    return NewCall(call_sid=call_sid, sdp=_text(payload, "sdp", 31101, call_sid, ends=True), params=params)


def _answer(payload: dict[str, Any]) -> Answer:
    call_sid = _call_sid(payload)
    return Answer(call_sid=call_sid, sdp=_text(payload, "sdp", 31101, call_sid, ends=True))


def _reject(payload: dict[str, Any]) -> Reject:
    return Reject(call_sid=_call_sid(payload))


def _hangup(payload: dict[str, Any]) -> Hangup:
    message = payload.get("message")
    return Hangup(
        call_sid=_call_sid(payload, temporary=True), message=message[:500] if isinstance(message, str) else ""
    )


def _reinvite(payload: dict[str, Any]) -> Reinvite:
    call_sid = _call_sid(payload)
    return Reinvite(call_sid=call_sid, sdp=_text(payload, "sdp", 31101, call_sid))


def _dtmf(payload: dict[str, Any]) -> Dtmf:
    call_sid, digits = _call_sid(payload), payload.get("dtmf")
    if not isinstance(digits, str) or not DIGITS.match(digits):
        raise FrameRefused(31100, "dtmf takes 0-9, A-D, #, * and w", call_sid)
    return Dtmf(call_sid=call_sid, digits=digits)


def _message(payload: dict[str, Any]) -> CallMessage:
    call_sid, event_sid = _call_sid(payload), payload.get("voiceeventsid")
    if not isinstance(event_sid, str) or not EVENT_SID.match(event_sid):
        raise FrameRefused(31100, "a message needs a voiceeventsid, KX…", call_sid)
    if payload.get("messagetype") != MESSAGE_TYPE:
        raise FrameRefused(31210, f"messagetype must be {MESSAGE_TYPE}", call_sid, event_sid=event_sid)
    content = payload.get("content")
    if len(json.dumps(content).encode()) > CONTENT_LIMIT:
        raise FrameRefused(31212, f"the message exceeds {CONTENT_LIMIT} bytes", call_sid, event_sid=event_sid)
    return CallMessage(
        call_sid=call_sid,
        content=content,
        content_type=str(payload.get("contenttype", "application/json"))[:100],
        message_type=MESSAGE_TYPE,
        event_sid=event_sid,
    )


def _subscribe(payload: dict[str, Any]) -> Subscribe:
    mine, cursor = _id(payload), payload.get("cursor")
    if cursor is not None and (type(cursor) is not int or not 0 <= cursor < 2**62):
        raise FrameRefused(31100, "cursor takes the as_of of an earlier message", id=mine)
    wanted = {name: value for name, value in payload.items() if name not in ("id", "cursor", "legacy")}
    return Subscribe(id=mine, wanted=wanted, cursor=cursor, legacy=payload.get("legacy") is True)


def _status(payload: dict[str, Any]) -> SetStatus:
    status, note = payload.get("status", ""), payload.get("note") or ""
    if status is not None and not _is_text(status, STATUS_LIMIT):
        raise FrameRefused(31100, "status takes the name of a status, or null for none of your own")
    if note and not _is_text(note, NOTE_LIMIT):
        raise FrameRefused(31100, f"note takes text of at most {NOTE_LIMIT} characters")
    return SetStatus(status=status or "", note=note)


def _id(payload: dict[str, Any]) -> str:
    mine = payload.get("id")
    if not _is_text(mine, ID_LIMIT):
        raise FrameRefused(31100, f"id is missing or no text of at most {ID_LIMIT} characters")
    return str(mine)


def _is_text(value: object, limit: int) -> bool:
    """Text that any database can keep; json.loads lets lone surrogates pass."""
    if not isinstance(value, str) or not 0 < len(value) <= limit or "\0" in value:
        return False
    return not any("\ud800" <= character <= "\udfff" for character in value)


def _call_sid(payload: dict[str, Any], *, temporary: bool = False) -> str:
    call_sid = payload.get("callsid")
    good = isinstance(call_sid, str) and CALL_SID.match(call_sid)
    if isinstance(call_sid, str) and (good or (temporary and TEMPORARY_SID.match(call_sid))):
        return call_sid
    raise FrameRefused(31101, "the callsid is missing or malformed")


def _text(payload: dict[str, Any], name: str, code: int, call_sid: str = "", *, ends: bool = False) -> str:
    value = payload.get(name)
    if not isinstance(value, str) or not value or "\0" in value:
        raise FrameRefused(code, f"{name} is missing or no text", call_sid, ends=ends)
    return value


_READERS: dict[str, Callable[[dict[str, Any]], ClientFrame]] = {
    "listen": _listen,
    "register": _register,
    "invite": _invite,
    "answer": _answer,
    "reject": _reject,
    "hangup": _hangup,
    "reinvite": _reinvite,
    "dtmf": _dtmf,
    "message": _message,
    "subscribe": _subscribe,
    "unsubscribe": lambda payload: Unsubscribe(id=_id(payload)),
    "status": _status,
}


def ufrag(sdp: str) -> str:
    """The ICE user fragment of an SDP, which tells one media session from another; empty when there is none."""
    found = UFRAG.search(sdp)
    return found.group(1) if found else ""


# What we send. `None` values are left out.


def _frame(type: str, **payload: Any) -> str:
    given = {name: value for name, value in payload.items() if value is not None}
    return json.dumps({"type": type, "payload": given, "version": "1.6"}, separators=(",", ":"))


def connected(identity: str, ttl: int, *, edge: str, home: str, gateway: str) -> str:
    token = {"identity": identity, "ttl": ttl}
    return _frame("connected", token=token, edge=edge, region=edge, home=home, gateway=gateway)


def ready() -> str:
    return _frame("ready")


def offline() -> str:
    return _frame("offline")


def close() -> str:
    return _frame("close")


def invite(call_sid: str, sdp: str, parameters: dict[str, Any], reconnect: str) -> str:
    return _frame("invite", callsid=call_sid, sdp=sdp, parameters=parameters, reconnect=reconnect)


def ringing(call_sid: str, sdp: str | None = None) -> str:
    return _frame("ringing", callsid=call_sid, sdp=sdp)


def answer(call_sid: str, reconnect: str, sdp: str | None = None) -> str:
    return _frame("answer", callsid=call_sid, sdp=sdp, reconnect=reconnect)


def cancel(call_sid: str) -> str:
    """The only way to end a call that still rings at the client."""
    return _frame("cancel", callsid=call_sid)


def hangup(call_sid: str, code: int | None = None, message: str | None = None) -> str:
    """Ends an outgoing or an accepted call; with a code the app gets an error too."""
    fault = None if code is None else {"code": code, "message": message or ""}
    return _frame("hangup", callsid=call_sid, error=fault)


def error(
    code: int,
    message: str,
    call_sid: str = "",
    event_sid: str = "",
    retry_after: float | None = None,
    *,
    id: str = "",
) -> str:
    """Tells the app of an error; it ends no call. `id`: of the subscription that it is about."""
    fault = {"code": code, "message": message}
    if retry_after is not None:
        fault["retryAfter"] = retry_after
    return _frame(
        "error", error=fault, callsid=call_sid or None, voiceeventsid=event_sid or None, id=id or None
    )


def message(call_sid: str, content: Any, content_type: str, message_type: str, event_sid: str) -> str:
    return _frame(
        "message",
        callsid=call_sid,
        content=content,
        contenttype=content_type,
        messagetype=message_type,
        voiceeventsid=event_sid,
    )


def ack(call_sid: str, event_sid: str) -> str:
    return _frame("ack", acktype="message", callsid=call_sid, voiceeventsid=event_sid)

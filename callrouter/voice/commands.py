"""The commands of the control protocol: their fields, checked, and what they answer.

Every id is chosen by the router. A leg's id is at most 64 printable characters (a call's SID).
Every command may be repeated with the same request id and gets the same reply.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from .contract import ErrorCode, Request, VoiceError
from .recording import RecordingOrder
from .switchboard import Switchboard

Result = dict[str, Any]

_LEG_ID = re.compile(r"[!-~]{1,64}\Z")
_MAX_LOOP = 1_000_000
_MAX_SILENCE, _MAX_RECORDING = 86_400, 14_400  # seconds


class Commands:
    """`execute(owner, request)` runs one; `VoiceError` refuses it."""

    def __init__(self, board: Switchboard, *, drain: Callable[[], None], stats: Callable[[], Result]) -> None:
        self._board = board
        self._drain = drain
        self._stats = stats
        self._table: Mapping[str, Callable[[str, Request], Result | Awaitable[Result]]] = {
            "leg.create": self._create,
            "leg.accept": self._accept,
            "leg.restart": self._restart,
            "leg.close": self._close,
            "leg.send_digits": self._send_digits,
            "leg.play": self._play,
            "leg.stop": self._stop,
            "leg.record": self._record,
            "leg.record_stop": self._record_stop,
            "leg.stats": self._leg_stats,
            "bridge.make": self._bridge,
            "bridge.break": self._unbridge,
            "node.legs": lambda owner, request: {"legs": list(board.leg_ids)},
            "node.stats": lambda owner, request: stats(),
            "node.drain": self._node_drain,
            "ping": lambda owner, request: {},
        }

    async def execute(self, owner: str, request: Request) -> Result:
        handler = self._table.get(request.type)
        if handler is None:
            known = ", ".join(self._table)
            raise VoiceError(ErrorCode.UNKNOWN_COMMAND, f"no command {request.type!r}; there are {known}")
        result = handler(owner, request)
        return await result if asyncio.iscoroutine(result) else result  # type: ignore[return-value]

    async def _create(self, owner: str, request: Request) -> Result:
        """{leg, kind: webrtc|rtp, sdp?} -> {sdp}: our answer to `sdp`, or our offer without one."""
        kind, offer = _text(request, "kind"), _optional(request, "sdp")
        return {"sdp": await self._board.create(owner, _leg(request), kind, offer)}

    def _accept(self, owner: str, request: Request) -> Result:
        """{leg, sdp} -> {}: the answer to our offer."""
        self._board.accept(owner, _leg(request), _text(request, "sdp"))
        return {}

    async def _restart(self, owner: str, request: Request) -> Result:
        """{leg, sdp} -> {sdp, created}: a new offer; for browsers an ICE restart."""
        text, created = await self._board.restart(owner, _leg(request), _text(request, "sdp"))
        return {"sdp": text, "created": created}

    def _close(self, owner: str, request: Request) -> Result:
        """{leg} -> {}; also when it is gone."""
        self._board.close(_leg(request))
        return {}

    def _send_digits(self, owner: str, request: Request) -> Result:
        """{leg, digits} -> {job}"""
        self._board.send_digits(owner, _leg(request), _text(request, "digits"), request.id)
        return {"job": request.id}

    def _play(self, owner: str, request: Request) -> Result:
        """{leg, tone} | {leg, url, loop?} | {leg, keys} -> {job}

        A tone takes the place of the tone before. A sound (`loop` 0: until stopped) and audible keys
        follow what plays already, except a tone without end: that ends.
        """
        leg = _leg(request)
        match [name for name in ("tone", "url", "keys") if name in request.fields]:
            case ["tone"]:
                self._board.play(owner, leg, _text(request, "tone"), request.id)
            case ["url"]:
                loop = _count(request, "loop", default=1, most=_MAX_LOOP)
                self._board.play_sound(owner, leg, _url(request, "url"), loop, request.id)
            case ["keys"]:
                self._board.play_keys(owner, leg, _text(request, "keys"), request.id)
            case _:
                raise _bad("leg.play needs `tone`, `url` or `keys`, and only one of them")
        return {"job": request.id}

    def _stop(self, owner: str, request: Request) -> Result:
        """{leg} -> {}: what it says ends; recordings go on."""
        self._board.stop(owner, _leg(request))
        return {}

    def _record(self, owner: str, request: Request) -> Result:
        """{leg, recording, upload, silence?, max_length, beep?, trim?} -> {recording}: of the far end.

        `silence` seconds of quiet end it, 0: nothing but `max_length` seconds or `leg.record_stop` does.
        """
        order = RecordingOrder(
            recording=_text(request, "recording"),
            upload=_url(request, "upload"),
            silence=_count(request, "silence", default=0, most=_MAX_SILENCE),
            max_length=_count(request, "max_length", least=1, most=_MAX_RECORDING),
            beep=_flag(request, "beep"),
            trim=_flag(request, "trim"),
        )
        self._board.record(owner, _leg(request), order)
        return {"recording": order.recording}

    def _record_stop(self, owner: str, request: Request) -> Result:
        """{leg, recording} -> {}; also when it has ended. `recording.done` comes when it is stored."""
        self._board.record_stop(owner, _leg(request), _text(request, "recording"))
        return {}

    def _leg_stats(self, owner: str, request: Request) -> Result:
        """{leg} -> counters; see `Leg.stats`."""
        return self._board.leg_stats(_leg(request))

    def _bridge(self, owner: str, request: Request) -> Result:
        """{legs: [a, b]} -> {}"""
        self._board.bridge(owner, *_pair(request))
        return {}

    def _unbridge(self, owner: str, request: Request) -> Result:
        """{legs: [a, b]} or {leg} -> {}; also when there is no such bridge."""
        first, second = _pair(request) if "legs" in request.fields else (_leg(request), None)
        self._board.unbridge(owner, first, second)
        return {}

    def _node_drain(self, owner: str, request: Request) -> Result:
        """{} -> {}: no new legs from now on; `node.drained` when the last one is gone."""
        self._drain()
        return {}


def _bad(message: str) -> VoiceError:
    return VoiceError(ErrorCode.BAD_REQUEST, message)


def _text(request: Request, name: str) -> str:
    value = request.fields.get(name)
    if not isinstance(value, str) or not value:
        raise _bad(f"{request.type} needs `{name}`, a non-empty string")
    return value


def _url(request: Request, name: str) -> str:
    value = _text(request, name)
    try:
        parts = urlsplit(value)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or not value.isascii() or not value.isprintable():
        raise _bad(f"{request.type} needs `{name}`, an absolute http URL")
    return value


def _count(request: Request, name: str, *, default: int | None = None, least: int = 0, most: int) -> int:
    value = request.fields.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise _bad(f"{request.type} needs `{name}`, a whole number from {least} to {most}")
    return value


def _flag(request: Request, name: str) -> bool:
    value = request.fields.get(name, False)
    if not isinstance(value, bool):
        raise _bad(f"{request.type}: `{name}` is true or false")
    return value


def _optional(request: Request, name: str) -> str:
    return _text(request, name) if request.fields.get(name) is not None else ""


def _leg(request: Request) -> str:
    return _checked(request.fields.get("leg"))


def _pair(request: Request) -> tuple[str, str]:
    value = request.fields.get("legs")
    if not isinstance(value, list) or len(value) != 2:
        raise _bad(f"{request.type} needs `legs`, a list of two leg ids")
    return _checked(value[0]), _checked(value[1])


def _checked(value: object) -> str:
    if not isinstance(value, str) or not _LEG_ID.match(value):
        raise _bad("a leg id is 1 to 64 printable ASCII characters without spaces")
    return value

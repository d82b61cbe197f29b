"""The commands of the control protocol: their fields, checked, and what they answer.

Every id is chosen by the router. A leg's id is at most 64 printable characters (a call's SID).
Every command may be repeated with the same request id and gets the same reply.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from .contract import ErrorCode, Request, VoiceError
from .switchboard import Switchboard

Result = dict[str, Any]

_LEG_ID = re.compile(r"[!-~]{1,64}\Z")


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
        """{leg, tone} -> {job}"""
        self._board.play(owner, _leg(request), _text(request, "tone"), request.id)
        return {"job": request.id}

    def _stop(self, owner: str, request: Request) -> Result:
        """{leg} -> {}"""
        self._board.stop(owner, _leg(request))
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

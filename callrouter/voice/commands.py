"""The commands of the control protocol: their fields, checked, and what they answer.

Every id is chosen by the router. A leg's id is at most 64 printable characters (a call's SID).
Every command may be repeated with the same request id and gets the same reply.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from . import fields
from .contract import ErrorCode, Request, VoiceError
from .recording import Flow, RecordingOrder, Which
from .switchboard import Switchboard

Result = dict[str, Any]

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
            "leg.record_pause": self._record_pause,
            "leg.record_resume": self._record_resume,
            "leg.stats": self._leg_stats,
            "bridge.make": self._bridge,
            "bridge.break": self._unbridge,
            "node.legs": lambda owner, request: {"legs": list(board.leg_ids)},
            "node.stats": lambda owner, request: stats(),
            "node.drain": self._node_drain,
            "ping": lambda owner, request: {},
            **board.rooms.table(),
            **board.streams.table(),
            **board.echoes.table(),
            **board.listening.table(),
        }

    async def execute(self, owner: str, request: Request) -> Result:
        handler = self._table.get(request.type)
        if handler is None:
            known = ", ".join(self._table)
            raise VoiceError(ErrorCode.UNKNOWN_COMMAND, f"no command {request.type!r}; there are {known}")
        result = handler(owner, request)
        return await result if asyncio.iscoroutine(result) else result  # type: ignore[return-value]

    async def _create(self, owner: str, request: Request) -> Result:
        """{leg, kind: webrtc|rtp|loop, sdp?} -> {sdp}: our answer to `sdp`, or our offer without one.

        A loop leg has no far end and no SDP: who is bridged with it is its far end.
        """
        kind, offer = fields.text(request, "kind"), fields.optional(request, "sdp")
        return {"sdp": await self._board.create(owner, fields.leg(request), kind, offer)}

    def _accept(self, owner: str, request: Request) -> Result:
        """{leg, sdp} -> {}: the answer to our offer."""
        self._board.accept(owner, fields.leg(request), fields.text(request, "sdp"))
        return {}

    async def _restart(self, owner: str, request: Request) -> Result:
        """{leg, sdp} -> {sdp, created}: a new offer; for browsers an ICE restart."""
        text, created = await self._board.restart(owner, fields.leg(request), fields.text(request, "sdp"))
        return {"sdp": text, "created": created}

    def _close(self, owner: str, request: Request) -> Result:
        """{leg} -> {}; also when it is gone."""
        self._board.close(fields.leg(request))
        return {}

    def _send_digits(self, owner: str, request: Request) -> Result:
        """{leg, digits} -> {job}"""
        self._board.send_digits(owner, fields.leg(request), fields.text(request, "digits"), request.id)
        return {"job": request.id}

    def _play(self, owner: str, request: Request) -> Result:
        """{leg, tone} | {leg, url, loop?} | {leg, keys} -> {job}

        A tone takes the place of the tone before. A sound (`loop` 0: until stopped) and audible keys
        follow what plays already, except a tone without end: that ends.
        """
        leg = fields.leg(request)
        match [name for name in ("tone", "url", "keys") if name in request.fields]:
            case ["tone"]:
                self._board.play(owner, leg, fields.text(request, "tone"), request.id)
            case ["url"]:
                loop = fields.count(request, "loop", default=1, most=_MAX_LOOP)
                self._board.play_sound(owner, leg, fields.url(request, "url"), loop, request.id)
            case ["keys"]:
                self._board.play_keys(owner, leg, fields.text(request, "keys"), request.id)
            case _:
                raise fields.refusal("leg.play needs `tone`, `url` or `keys`, and only one of them")
        return {"job": request.id}

    def _stop(self, owner: str, request: Request) -> Result:
        """{leg} -> {}: what it says ends; recordings go on."""
        self._board.stop(owner, fields.leg(request))
        return {}

    def _record(self, owner: str, request: Request) -> Result:
        """{leg, recording, upload, silence?, max_length, beep?, trim?, track?, channels?} -> {recording}

        `silence` seconds of quiet end it, 0: nothing but `max_length` seconds or `leg.record_stop` does.
        `track`: inbound, what the far end says, if not told; outbound, what it hears; or both: mixed, or with
        2 `channels` apart, inbound first.
        """
        track = fields.choice(request, "track", Which, default=Which.INBOUND)
        channels = fields.count(request, "channels", default=1, least=1, most=2)
        if channels == 2 and track is not Which.BOTH:
            raise fields.refusal("leg.record: 2 `channels` need `track` both")
        upload = fields.url(request, "upload")
        if parse_qs(urlsplit(upload).query).get("channels", [str(channels)]) != [str(channels)]:
            raise fields.refusal("leg.record: `upload` names another number of channels than `channels`")
        order = RecordingOrder(
            recording=fields.text(request, "recording"),
            upload=upload,
            silence=fields.count(request, "silence", default=0, most=_MAX_SILENCE),
            max_length=fields.count(request, "max_length", least=1, most=_MAX_RECORDING),
            beep=fields.flag(request, "beep"),
            trim=fields.flag(request, "trim"),
            track=track,
            channels=channels,
        )
        self._board.record(owner, fields.leg(request), order)
        return {"recording": order.recording}

    def _record_stop(self, owner: str, request: Request) -> Result:
        """{leg, recording} -> {}; also when it has ended. `recording.done` comes when it is stored."""
        self._board.record_stop(owner, fields.leg(request), fields.text(request, "recording"))
        return {}

    def _record_pause(self, owner: str, request: Request) -> Result:
        """{leg, recording, skip?} -> {}: silence is recorded, or with `skip` nothing; also when it has ended."""
        flow = Flow.SKIPPED if fields.flag(request, "skip") else Flow.SILENCED
        self._board.record_turn(owner, fields.leg(request), fields.text(request, "recording"), flow)
        return {}

    def _record_resume(self, owner: str, request: Request) -> Result:
        """{leg, recording} -> {}; also when it runs, or has ended."""
        self._board.record_turn(owner, fields.leg(request), fields.text(request, "recording"), Flow.ON)
        return {}

    def _leg_stats(self, owner: str, request: Request) -> Result:
        """{leg} -> counters; see `Leg.stats`."""
        return self._board.leg_stats(fields.leg(request))

    def _bridge(self, owner: str, request: Request) -> Result:
        """{legs: [a, b]} -> {}"""
        self._board.bridge(owner, *fields.pair(request))
        return {}

    def _unbridge(self, owner: str, request: Request) -> Result:
        """{legs: [a, b]} or {leg} -> {}; also when there is no such bridge."""
        first, second = fields.pair(request) if "legs" in request.fields else (fields.leg(request), None)
        self._board.unbridge(owner, first, second)
        return {}

    def _node_drain(self, owner: str, request: Request) -> Result:
        """{} -> {}: no new legs from now on; `node.drained` when the last one is gone."""
        self._drain()
        return {}

"""A leg without a far end of its own, for a program that was dialled: a wire inside the node, with two sides.

The leg itself is the inner side. What its jobs say comes out of the outer one, and is heard by the leg that is
bridged there; what that leg says is what a far end says. So the inner side may be recorded, may join a room, or
be bridged with yet another leg, like the leg of any call.
"""

from __future__ import annotations

import asyncio
from typing import Any, NoReturn

from .. import sdp
from ..contract import EventType
from ..media.dtmf import DigitReader
from ..media.packet import PCMU, parse_rtp
from ..media.ticker import Ticker
from ..media.voices import Job
from .leg import Emit, Leg

_EVENT_TYPE = 101


class _Side(Leg):
    """Whatever one side sends, the other one receives at once."""

    kind = "loop"
    event_type = _EVENT_TYPE
    other: _Side

    def __init__(self, leg_id: str, *, emit: Emit, ticker: Ticker) -> None:
        super().__init__(leg_id, emit=emit, ticker=ticker)
        self.far_end_sends = False  # the leg that is bridged outside is watched, not the wire
        self._reader = DigitReader()
        self._sending = False

    def _transmit(self, packet: bytes) -> bool:
        if self._sending:  # legs that are bridged in a ring: what comes round again is not wanted
            return False
        self._sending = True
        try:
            self.other.receive(packet)
        finally:
            self._sending = False
        return True

    def receive(self, data: bytes) -> None:
        packet, now = parse_rtp(data), asyncio.get_running_loop().time()
        assert packet is not None, "it is one of ours"
        self.count(packet, len(data), now)
        if packet.payload_type == PCMU:
            self.hear(packet, now)
            return
        digit = self._reader.read(packet.ssrc, packet.timestamp, packet.payload)
        if digit is not None:
            self.pressed(digit)
        if self.peer is not None and self.peer.up:
            self.peer.relay_event(packet, now)

    def _transmit_report(self, packet: bytes) -> None:
        """There is nobody who would read it."""

    def _release(self) -> None:
        """It holds nothing."""


class LoopLeg(_Side):
    """Up from `offer` on. The first bridge takes the outer side; while that lasts, another takes the inner one.

    Keys that are sent to it are heard by its program, as if its far end had pressed them.
    """

    def __init__(self, leg_id: str, *, emit: Emit, ticker: Ticker) -> None:
        super().__init__(leg_id, emit=emit, ticker=ticker)
        self.outside = _Side(leg_id, emit=self._of_outside, ticker=ticker)
        self.other, self.outside.other = self.outside, self

    @property
    def ends(self) -> tuple[Leg, ...]:
        return self.outside, self

    def _of_outside(self, leg: str, type: EventType, **data: Any) -> None:
        if type is EventType.JOB_DONE:
            self._emit(leg, type, **data)

    def offer(self) -> str:
        """No SDP: there is no far end to send it to."""
        now = asyncio.get_running_loop().time()
        self.outside.rise(now)
        self.rise(now)
        return ""

    def answer(self, remote: sdp.RemoteAudio) -> NoReturn:
        raise sdp.SdpError("a loop leg has no far end, and takes no SDP")

    accept = restart = answer

    def begin(self, job: Job) -> bool:
        return self.outside.begin(job) if job.kind == "digits" else super().begin(job)

    def stop(self, reason: str, kind: str | None = None) -> None:
        super().stop(reason, kind)
        self.outside.stop(reason, kind)

    def _release(self) -> None:
        self.outside.fall()
        self.outside.discard()

    def stats(self) -> dict[str, Any]:
        """`far_end` is the leg that is bridged outside."""
        peer = self.outside.peer
        return {**super().stats(), "far_end": peer and peer.id}

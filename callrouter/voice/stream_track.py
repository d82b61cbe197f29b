"""One direction of a leg's audio as chunks of 20 ms: in order, without holes, and soon."""

from __future__ import annotations

from collections.abc import Callable

from .media.packet import FRAME_SECONDS, SAMPLE_RATE, SAMPLES, RtpPacket
from .media.reorder import ReorderBuffer

_PATIENCE = 5  # frames, so 100 ms, after which silence takes the place of what did not come
_HOLD = 3  # packets that may pass a missing one before it counts as lost
_MAX_DROPOUT, _MAX_MISORDER = 3000, 100  # packets, RFC 3550 appendix A.1
_AHEAD = SAMPLE_RATE // 2

Chunk = Callable[[str, int, int, bytes], None]
"""(track, number from 1, milliseconds since the start, 160 bytes of mu-law)"""


class Track:
    """A packet in its turn is passed on at once; one that overtook another waits a moment for it.

    Time goes on without packets too, in silence: an app that waits for the end of speech must hear that end.
    Audio that comes after its silence was sent is not dropped: it follows.
    """

    def __init__(self, name: str, start: float, chunk: Chunk) -> None:
        self.name = name
        self._start = start
        self._chunk = chunk
        self._count = 0
        self._buffer = ReorderBuffer(ahead=_AHEAD)
        self._ssrc: int | None = None
        self._highest = self._missing = self._hold = 0

    def hear(self, packet: RtpPacket, now: float) -> None:
        """A packet; `now` is of the clock that `start` is of."""
        at = max(0, int((now - self._start) * SAMPLE_RATE))
        self._buffer.put(packet, at - at % SAMPLES)  # whole frames: no packet has to wait for the next
        self._follow(packet)
        if self._missing:
            self._hold -= 1
            if self._hold > 0:
                return
            self._missing = 0
        self._give(self._buffer.full)

    def tick(self, now: float) -> None:
        """20 ms have passed."""
        due = round((now - self._start) / FRAME_SECONDS) - _PATIENCE
        self._give(due - self._buffer.head // SAMPLES)

    def _follow(self, packet: RtpPacket) -> None:
        """Count the packets that are missing."""
        step = (packet.sequence - self._highest + 0x8000 & 0xFFFF) - 0x8000
        if packet.ssrc != self._ssrc or not -_MAX_MISORDER <= step <= _MAX_DROPOUT:
            self._ssrc, self._highest, self._missing = packet.ssrc, packet.sequence, 0
        elif step > 0:
            self._highest = packet.sequence
            if step > 1:
                self._missing, self._hold = self._missing + step - 1, _HOLD
        elif step < 0:
            self._missing = max(0, self._missing - 1)

    def _give(self, frames: int) -> None:
        for _ in range(frames):
            milliseconds = self._buffer.head * 1000 // SAMPLE_RATE
            self._count += 1
            self._chunk(self.name, self._count, milliseconds, self._buffer.pull())

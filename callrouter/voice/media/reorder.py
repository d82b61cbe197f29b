"""One incoming stream laid out in time: every packet where its timestamp puts it, silence everywhere else."""

from __future__ import annotations

from .g711 import SILENCE
from .packet import SAMPLES, RtpPacket

_MAX_DROPOUT, _MAX_MISORDER = 3000, 100  # packets, RFC 3550 appendix A.1
_SILENCE = bytes([SILENCE])


class ReorderBuffer:
    """Takes packets as they come and gives frames of 20 ms in order.

    Places are samples of the receiver's clock, counted from 0. How long to wait for late packets is the
    caller's choice: a frame that is pulled 100 ms after its time has waited for all that are less late.
    Reordering, loss, pauses of the sender (DTX), packets of any length and a new SSRC are all the same
    thing here. A sender whose clock drifts, or jumps, is set to the present when it would be too late, or
    more than `ahead` samples early.
    """

    __slots__ = ("_ahead", "_audio", "_highest", "_newest", "_ssrc", "_stamp", "head", "late")

    def __init__(self, *, ahead: int = 16_000) -> None:
        self._ahead = ahead
        self._audio = bytearray()  # from the sample `head` on
        self._ssrc: int | None = None
        self._highest = self._stamp = self._newest = 0  # of the newest packet: sequence, timestamp, place
        self.head = 0
        """The first sample of the next frame."""
        self.late = 0
        """Packets that came after their frame was given away, repeated ones too."""

    @property
    def waiting(self) -> int:
        """Frames that are there to be pulled, the last one perhaps not full."""
        return -(-len(self._audio) // SAMPLES)

    @property
    def full(self) -> int:
        """Frames that are there whole."""
        return len(self._audio) // SAMPLES

    def put(self, packet: RtpPacket, at: int) -> None:
        """A packet that arrived at the place `at`."""
        step = (packet.sequence - self._highest + 0x8000 & 0xFFFF) - 0x8000
        passed = (packet.timestamp - self._stamp + 0x80000000 & 0xFFFFFFFF) - 0x80000000
        place = self._newest + passed
        known = packet.ssrc == self._ssrc and -_MAX_MISORDER <= step <= _MAX_DROPOUT
        fits = self.head <= place <= at + self._ahead
        if known and step <= 0:
            if fits:
                self._write(place, packet.payload)
            else:
                self.late += 1
            return
        if not (known and fits):
            self.late += known and place < self.head
            place = max(at, self.head)
        self._ssrc, self._highest = packet.ssrc, packet.sequence
        self._stamp, self._newest = packet.timestamp, place
        self._write(place, packet.payload)

    def pull(self) -> bytes:
        """The next frame."""
        frame = bytes(self._audio[:SAMPLES])
        del self._audio[:SAMPLES]
        self.head += SAMPLES
        return frame.ljust(SAMPLES, _SILENCE)

    def skip(self) -> None:
        """Leave out the next frame: all that follows, and is still to come, is heard 20 ms sooner."""
        del self._audio[:SAMPLES]
        self._newest -= SAMPLES

    def _write(self, place: int, payload: bytes) -> None:
        start = place - self.head
        missing = start - len(self._audio)
        if missing > 0:
            self._audio += _SILENCE * missing
        self._audio[start : start + len(payload)] = payload

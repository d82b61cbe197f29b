"""What is said on one or two tracks, in step by one clock: pulled frame by frame, as one channel or two."""

from __future__ import annotations

from .mixer import Mix
from .packet import SAMPLE_RATE, SAMPLES, RtpPacket
from .reorder import ReorderBuffer
from .tones import SILENT_FRAME


class Track:
    """Hears packets. `start` is the moment of its first frame, by the clock of `now`; `ahead` as in the buffer."""

    def __init__(self, start: float, *, ahead: int = 16_000) -> None:
        self.start = start
        self.audio = ReorderBuffer(ahead=ahead)

    def hear(self, packet: RtpPacket, now: float) -> None:
        self.audio.put(packet, max(0, int((now - self.start) * SAMPLE_RATE)))


def mixed(frames: list[bytes]) -> bytes:
    """Frames that sound together as one. What needs no sum passes untouched; sums are saturated."""
    return Mix([frame for frame in frames if frame != SILENT_FRAME]).whole()


def interleaved(frames: list[bytes]) -> bytes:
    """Frames side by side: a byte of the first, a byte of the second, and so on."""
    both = bytearray(SAMPLES * len(frames))
    for channel, frame in enumerate(frames):
        both[channel :: len(frames)] = frame
    return bytes(both)

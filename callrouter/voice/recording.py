"""One recording of what a leg hears: beep, audio, and the one reason why it ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from .legs.leg import Leg
from .media import voices
from .media.packet import FRAME_SECONDS, SAMPLE_RATE, SAMPLES, RtpPacket
from .media.reorder import ReorderBuffer
from .media.silence import SilenceDetector
from .media.ticker import Ticker
from .spool import SpoolFile

_PATIENCE = 8  # frames, so 160 ms, for packets that are late
_NORMAL = (
    2  # frames ahead of the clock: more of them had been held back by the network, and are not to be lost
)
_BATCH = 50 * SAMPLES  # bytes that go to the disk at once


class Cause(StrEnum):
    """Why a recording ended."""

    SILENCE = "silence"
    LENGTH = "length"
    STOPPED = "stopped"
    HANGUP = "hangup"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class RecordingOrder:
    """What the router asked for. Seconds; `silence` 0: quiet never ends it."""

    recording: str
    upload: str
    silence: int
    max_length: int
    beep: bool
    trim: bool


class Recording:
    """Runs by the ticker's clock, so its length is the time that passed, whatever arrived.

    Each track has a buffer of its own, and all are pulled in step.
    """

    def __init__(
        self,
        order: RecordingOrder,
        leg: Leg,
        ticker: Ticker,
        file: SpoolFile,
        ended: Callable[[Recording], None],
    ) -> None:
        self.order = order
        self.leg = leg
        self.file = file
        self.cause: Cause | None = None
        self._ticker = ticker
        self._ended = ended
        self._clock = asyncio.get_running_loop().time
        self._start: float | None = None
        self._track = ReorderBuffer()
        self._silence = SilenceDetector()
        self._unwritten = bytearray()
        self._frames = 0

    @property
    def seconds(self) -> float:
        """What there is of it on the disk."""
        return self.file.written / SAMPLE_RATE

    @property
    def silent(self) -> bool:
        return not self._silence.heard

    def begin(self) -> bool:
        """The beep, then the audio; False if the leg has too much to say already."""
        if not self.order.beep:
            self._listen()
            return True
        beep = voices.Job(id="", kind="beep", frames=voices.tone("beep"), ended=lambda reason: self._listen())
        return self.leg.begin(beep)

    def _listen(self) -> None:
        if self.cause is None:
            self._start = self._clock()
            self.leg.listeners = (*self.leg.listeners, self)
            self._ticker.add(self)

    def hear(self, packet: RtpPacket, now: float) -> None:
        """Audio of the far end."""
        if self._start is not None:
            self._track.put(packet, int((now - self._start) * SAMPLE_RATE))

    def tick(self, now: float) -> None:
        """20 ms have passed."""
        self._advance(self._due(now) - _PATIENCE)
        if self.file.failed:
            self.end(Cause.FAILED)

    def end(self, cause: Cause) -> None:
        """The first cause counts; all that was heard until now belongs to the recording."""
        if self.cause is None:
            self._advance(self._due(self._clock()))
            if self._track.waiting > _NORMAL:
                self._advance(self._frames + self._track.waiting)
        if self.cause is None:
            self._finish(cause)

    def _due(self, now: float) -> int:
        return 0 if self._start is None else round((now - self._start) / FRAME_SECONDS)

    def _advance(self, frames: int) -> None:
        limits = self.order.silence * 50, self.order.max_length * 50
        while self._frames < frames and self.cause is None:
            frame = self._track.pull()
            self._frames += 1
            self._silence.hear(frame)
            self._unwritten += frame
            if len(self._unwritten) >= _BATCH:
                self._flush()
            if self._frames >= limits[1]:
                self._finish(Cause.LENGTH)
            elif limits[0] and self._silence.quiet >= limits[0]:
                self._finish(Cause.SILENCE)

    def _flush(self) -> None:
        if self._unwritten:
            self.file.append(bytes(self._unwritten))
            self._unwritten.clear()

    def _finish(self, cause: Cause) -> None:
        self.cause = cause
        if self._start is None:
            self.leg.stop("stopped", kind="beep")
        self._flush()
        self._ticker.discard(self)
        self.leg.listeners = tuple(each for each in self.leg.listeners if each is not self)
        self._ended(self)

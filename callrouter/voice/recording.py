"""One recording, of a leg or a room: beep, audio of one track or both, and the one reason why it ended."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from .legs.leg import Leg, Listener
from .media import tracks, voices
from .media.packet import FRAME_SECONDS, SAMPLE_RATE, SAMPLES
from .media.silence import SilenceDetector
from .media.ticker import Ticker
from .media.tones import SILENT_FRAME
from .media.tracks import Track
from .spool import SpoolFile

_PATIENCE = 8  # frames, so 160 ms, for packets that are late
_NORMAL = (
    2  # frames ahead of the clock: more of them had been held back by the network, and are not to be lost
)
_BATCH = 50 * SAMPLES  # bytes that go to the disk at once: a second of one channel


class Cause(StrEnum):
    """Why a recording ended."""

    SILENCE = "silence"
    LENGTH = "length"
    STOPPED = "stopped"
    HANGUP = "hangup"
    FAILED = "failed"


class Which(StrEnum):
    """What is recorded of a leg: what its far end says, what it hears, or both."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"
    BOTH = "both"


class Flow(StrEnum):
    """What happens to the audio of a recording: it is kept, left out, or silence takes its place."""

    ON = "on"
    SKIPPED = "skipped"
    SILENCED = "silenced"


class Recordable(Protocol):
    """What can be recorded: a leg, a room. Its own audio is what its `listeners` hear."""

    @property
    def id(self) -> str: ...

    listeners: tuple[Listener, ...]


@dataclass(frozen=True, kw_only=True)
class RecordingOrder:
    """What the router asked for. Seconds; `silence` 0: quiet never ends it. Two channels: inbound first."""

    recording: str
    upload: str
    silence: int
    max_length: int
    beep: bool
    trim: bool
    track: Which = Which.INBOUND
    channels: int = 1


class Recording:
    """Runs by the ticker's clock, so its length is the time that passed without pauses, whatever arrived.

    Each track has a buffer of its own, and all are pulled in step. Only a leg beeps, and only a leg has an
    outbound track.
    """

    def __init__(
        self,
        order: RecordingOrder,
        source: Recordable,
        ticker: Ticker,
        file: SpoolFile,
        ended: Callable[[Recording], None],
    ) -> None:
        self.order = order
        self.source = source
        self.file = file
        self.cause: Cause | None = None
        self._ticker = ticker
        self._ended = ended
        self._clock = asyncio.get_running_loop().time
        self._start: float | None = None
        self._tracks: list[Track] = []
        self._silences = [SilenceDetector() for _ in range(2 if order.track is Which.BOTH else 1)]
        self._flow = Flow.ON
        self._turns: deque[tuple[int, Flow]] = deque()  # from which frame on
        self._unwritten = bytearray()
        self._passed = 0  # frames of time
        self._frames = 0  # of them, in the recording

    @property
    def seconds(self) -> float:
        """What there is of it on the disk."""
        return self.file.written / self.order.channels / SAMPLE_RATE

    @property
    def silent(self) -> bool:
        return not any(silence.heard for silence in self._silences)

    def begin(self) -> bool:
        """The beep, then the audio; False if the leg has too much to say already."""
        if not self.order.beep or not isinstance(self.source, Leg):
            self._listen()
            return True
        beep = voices.Job(id="", kind="beep", frames=voices.tone("beep"), ended=lambda reason: self._listen())
        return self.source.begin(beep)

    def _listen(self) -> None:
        if self.cause is not None:
            return
        self._start = self._clock()
        if self.order.track is not Which.OUTBOUND:
            self._tracks.append(Track(self._start))
            self.source.listeners = (*self.source.listeners, self._tracks[-1])
        if self.order.track is not Which.INBOUND and isinstance(self.source, Leg):
            self._tracks.append(Track(self._start))
            self.source.hearers = (*self.source.hearers, self._tracks[-1])
        self._ticker.add(self)

    def turn(self, flow: Flow) -> None:
        """Pause or resume: from this moment on."""
        self._turns.append((self._due(self._clock()), flow))

    def tick(self, now: float) -> None:
        """20 ms have passed."""
        self._advance(self._due(now) - _PATIENCE)
        if self.file.failed:
            self.end(Cause.FAILED)

    def end(self, cause: Cause) -> None:
        """The first cause counts; all that was heard until now belongs to the recording."""
        if self.cause is None:
            self._advance(self._due(self._clock()))
            waiting = max((track.audio.waiting for track in self._tracks), default=0)
            if waiting > _NORMAL:
                self._advance(self._passed + waiting)
        if self.cause is None:
            self._finish(cause)

    def _due(self, now: float) -> int:
        return 0 if self._start is None else round((now - self._start) / FRAME_SECONDS)

    def _advance(self, frames: int) -> None:
        while self._passed < frames and self.cause is None:
            while self._turns and self._turns[0][0] <= self._passed:
                self._flow = self._turns.popleft()[1]
            self._passed += 1
            self._keep([track.audio.pull() for track in self._tracks])

    def _keep(self, frames: list[bytes]) -> None:
        """20 ms of each track; a pause is no quiet that ends the recording."""
        order = self.order
        if self._flow is Flow.SKIPPED:
            return
        if self._flow is Flow.SILENCED:
            frames = [SILENT_FRAME] * len(frames)
        else:
            for silence, frame in zip(self._silences, frames, strict=True):
                silence.hear(frame)
        self._frames += 1
        self._unwritten += tracks.mixed(frames) if order.channels == 1 else tracks.interleaved(frames)
        if len(self._unwritten) >= _BATCH:
            self._flush()
        if self._frames >= order.max_length * 50:
            self._finish(Cause.LENGTH)
        elif order.silence and min(each.quiet for each in self._silences) >= order.silence * 50:
            self._finish(Cause.SILENCE)

    def _flush(self) -> None:
        if self._unwritten:
            self.file.append(bytes(self._unwritten))
            self._unwritten.clear()

    def _finish(self, cause: Cause) -> None:
        self.cause = cause
        source = self.source
        if isinstance(source, Leg):
            if self._start is None:
                source.stop("stopped", kind="beep")
            source.hearers = tuple(each for each in source.hearers if each not in self._tracks)
        self._flush()
        self._ticker.discard(self)
        source.listeners = tuple(each for each in source.listeners if each not in self._tracks)
        self._ended(self)

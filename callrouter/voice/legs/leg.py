"""What every leg has: numbering, counting, its own voice, and the leg it is bridged to."""

from __future__ import annotations

import secrets
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from ..contract import EventType
from ..media import rtcp
from ..media.packet import PCMU, RtpPacket, rtp_header
from ..media.reception import Reception
from ..media.stamper import Stamper
from ..media.ticker import Ticker
from ..media.tones import SILENT_FRAME
from ..media.voices import Frame, Job, SoundFailed

_MAX_JOBS = 16


class Emit(Protocol):
    """How a leg reports."""

    def __call__(self, leg: str, type: EventType, **data: Any) -> None: ...


class Listener(Protocol):
    """Hears what the far end says, or what it hears, beside the bridge: a recording, a mixer, a stream."""

    def hear(self, packet: RtpPacket, now: float) -> None: ...


class Source(Protocol):
    """Says what the far end hears while there is no job and no bridge: a room."""

    def frame(self, now: float) -> bytes: ...


class Leg(ABC):
    """One end of a call. Inside the node audio is PCMU in frames of 20 ms.

    A leg that is up always sends something, for the sake of NATs, carriers' timers and jitter buffers:
    the job in progress, else what the bridged leg sends, else silence.
    """

    kind: str
    event_type: int | None = None

    def __init__(self, leg_id: str, *, emit: Emit, ticker: Ticker) -> None:
        self.id = leg_id
        self._emit = emit
        self._ticker = ticker
        self.up = False
        self.closed = False
        self.peer: Leg | None = None
        self.source: Source | None = None
        self.far_end_sends = True
        """Whether packets are due: not while it is on hold."""
        self.listeners: tuple[Listener, ...] = ()
        """Who hears what the far end says."""
        self.hearers: tuple[Listener, ...] = ()
        """Who hears what the far end hears: only PCMU, and only what was sent. Numbered as it is sent."""
        self.reception = Reception()
        self.sent_packets = self.sent_octets = self.dropped = self.digits_received = 0
        self.round_trip: float | None = None
        self.far_loss: float | None = None
        self._jobs: deque[Job] = deque()
        self._stamper = Stamper(
            ssrc=secrets.randbits(32), sequence=secrets.randbits(15), timestamp=secrets.randbits(32)
        )
        self._quiet = self._lost = False
        self._up_at = 0.0
        self._report_due = 0.0

    @property
    def ends(self) -> tuple[Leg, ...]:
        """Its sides that can be bridged, the one to take first in front."""
        return (self,)

    # -- in: from the far end -------------------------------------------------

    def hear(self, packet: RtpPacket, now: float) -> None:
        """Audio of the far end, already PCMU, goes to the bridged leg and to who listens."""
        for listener in self.listeners:
            listener.hear(packet, now)
        peer = self.peer
        if peer is not None and peer.up:
            peer.relay(packet, now)

    def count(self, packet: RtpPacket, size: int, now: float) -> None:
        self._quiet = False
        self.reception.packet(packet.ssrc, packet.sequence, packet.timestamp, size, now)

    def pressed(self, digit: str) -> None:
        self.digits_received += 1
        self._emit(self.id, EventType.LEG_DTMF, digit=digit)

    def hear_reports(self, data: bytes, now: float) -> None:
        """RTCP of the far end, decrypted."""
        unix = time.time()
        for report in rtcp.read_reports(data):
            if report.ntp_middle is not None:
                self.reception.sender_report(report.ntp_middle, now)
            for block in report.blocks:
                if block.ssrc == self._stamper.ssrc:
                    self.far_loss = block.fraction_lost / 256
                    trip = rtcp.round_trip(block, unix)
                    self.round_trip = self.round_trip if trip is None else trip

    # -- out: to the far end --------------------------------------------------

    def relay(self, packet: RtpPacket, now: float) -> None:
        """Send on a packet of the bridged leg, under our own numbers."""
        if self._jobs:
            return
        numbers = self._stamper.relay(packet.ssrc, packet.sequence, packet.timestamp, now)
        if numbers is not None:
            sequence, timestamp, first = numbers
            self._send(PCMU, packet.marker or first, sequence, timestamp, packet.payload, now)

    def relay_event(self, packet: RtpPacket, now: float) -> None:
        """A digit of the bridged leg: as an event if the far end knows those, else without a trace."""
        if self._jobs:
            return
        if self.event_type is None:
            self._stamper.skip(packet.ssrc, packet.sequence)
            return
        numbers = self._stamper.relay(packet.ssrc, packet.sequence, packet.timestamp, now)
        if numbers is not None:
            self._send(self.event_type, packet.marker, numbers[0], numbers[1], packet.payload, now)

    def tick(self, now: float) -> None:
        """20 ms have passed: the job in progress, else the room, else silence while there is no bridge."""
        frame: Frame | None = None
        while self._jobs:
            try:
                found = next(self._jobs[0].frames, None)
            except SoundFailed as error:
                self._finish(self._jobs.popleft(), "failed", code=error.code, message=error.message)
                continue
            if found is not None:
                frame = found
                break
            self._finish(self._jobs.popleft(), "finished")
        if frame is None and self.peer is not None and self.peer.up:
            self._ticker.discard(self)
            return
        if frame is None:
            payload = SILENT_FRAME if self.source is None else self.source.frame(now)
            sequence, timestamp, first = self._stamper.generate(now)
            self._send(PCMU, first, sequence, timestamp, payload, now)
            return
        if frame.same_moment:
            sequence, timestamp = self._stamper.again()
            first = False
        else:
            sequence, timestamp, first = self._stamper.generate(now)
        if frame.event and self.event_type is not None:
            self._send(self.event_type, frame.marker, sequence, timestamp, frame.payload, now)
        elif not frame.event:
            self._send(PCMU, first, sequence, timestamp, frame.payload, now)

    def _send(
        self, payload_type: int, marker: bool, sequence: int, timestamp: int, payload: bytes, now: float
    ) -> None:
        header = rtp_header(payload_type, marker, sequence, timestamp, self._stamper.ssrc)
        if not self._transmit(header + payload):
            return
        self.sent_packets += 1
        self.sent_octets += len(payload)
        if self.hearers and payload_type == PCMU:
            packet = RtpPacket(payload_type, marker, sequence, timestamp, self._stamper.ssrc, payload)
            for hearer in self.hearers:
                hearer.hear(packet, now)

    @abstractmethod
    def _transmit(self, packet: bytes) -> bool:
        """One RTP packet to the far end; False if there is nowhere to send it."""

    @abstractmethod
    def _transmit_report(self, packet: bytes) -> None:
        """One compound RTCP packet to the far end."""

    # -- control ---------------------------------------------------------------

    def begin(self, job: Job) -> bool:
        """Queue something to say; False if too much is queued."""
        if len(self._jobs) >= _MAX_JOBS:
            return False
        self._end("stopped", lambda queued: queued.gives_way)
        self._jobs.append(job)
        if self.up:
            self._ticker.add(self)
        return True

    def stop(self, reason: str, kind: str | None = None) -> None:
        """End the jobs (of one kind); nothing happens if there are none."""
        self._end(reason, lambda job: kind in (None, job.kind))

    def _end(self, reason: str, which: Callable[[Job], bool]) -> None:
        ending = [job for job in self._jobs if which(job)]
        self._jobs = deque(job for job in self._jobs if job not in ending)
        for job in ending:
            self._finish(job, reason)

    def join(self, peer: Leg | None) -> None:
        """Take audio from `peer` from now on, or from nobody."""
        self.peer = peer
        self._stamper.change_source()
        if self.up and not self.closed:
            self._ticker.add(self)  # the next tick sees whether it is needed

    def listen_to(self, source: Source | None) -> None:
        """Take what the far end hears from a room, or from nobody."""
        self.source = source
        if self.up and not self.closed:
            self._ticker.add(self)

    def rise(self, now: float) -> None:
        """The path is there; also after a loss."""
        if not self.up and not self.closed:
            self.up, self._quiet, self._lost, self._up_at = True, False, False, now
            self._report_due = self._report_due or now + 0.5
            self._ticker.add(self)
            self._emit(self.id, EventType.LEG_UP, kind=self.kind)

    def fall(self) -> None:
        """Not up any more; the bridged leg gets silence in place of what came from here."""
        self.up = False
        self._ticker.discard(self)
        if self.peer is not None and self.peer.up:
            self._ticker.add(self.peer)

    def lose(self, reason: str, message: str = "") -> None:
        """The path is gone; the leg waits for a restart or its end."""
        self.fall()
        self._lost = True
        self._emit(self.id, EventType.LEG_LOST, reason=reason, message=message)

    def close(self, reason: str) -> None:
        """The end; only once."""
        if self.closed:
            return
        self.stop("closed")
        self.closed, self.up = True, False
        self._ticker.discard(self)
        self._release()
        self._emit(self.id, EventType.LEG_CLOSED, reason=reason)

    def discard(self) -> None:
        """Undo a creation that failed: no event."""
        self.closed = True
        self._ticker.discard(self)
        self._release()

    @abstractmethod
    def _release(self) -> None:
        """Give sockets and table entries back."""

    def watch(self, now: float, *, media_timeout: float, rtcp_interval: float) -> None:
        """Called a few times a second: reports, and the silence that is too long; a lost path is silent too."""
        if not self.up and not self._lost:
            return
        if self.up and now >= self._report_due:
            self._report_due = now + rtcp_interval
            self._report(now)
        self._up_at = self._up_at or now  # lost before it was ever there
        last = max(self.reception.last_at or self._up_at, self._up_at)
        due = self.far_end_sends or self._lost
        if due and not self._quiet and now - last >= media_timeout:
            self._quiet = True
            self._emit(self.id, EventType.LEG_MEDIA_TIMEOUT, seconds=round(now - last, 3))

    def _report(self, now: float) -> None:
        packet = rtcp.write_report(
            ssrc=self._stamper.ssrc,
            unix=time.time(),
            timestamp=self._stamper.timestamp_at(now),
            packets=self.sent_packets,
            octets=self.sent_octets,
            block=self.reception.block(now),
            cname="callrouter",
        )
        self._transmit_report(packet)

    def stats(self) -> dict[str, Any]:
        """Counts since the leg's creation; `round_trip_ms` and `far_loss` as the far end reports them."""
        heard = self.reception
        return {
            "kind": self.kind,
            "up": self.up,
            "bridged_to": self.peer.id if self.peer else None,
            "packets_received": heard.packets,
            "octets_received": heard.octets,
            "packets_lost": heard.lost,
            "jitter_ms": round(heard.jitter_ms, 2),
            "packets_sent": self.sent_packets,
            "octets_sent": self.sent_octets,
            "packets_dropped": self.dropped,
            "digits_received": self.digits_received,
            "round_trip_ms": None if self.round_trip is None else round(self.round_trip * 1000, 2),
            "far_loss": None if self.far_loss is None else round(self.far_loss, 4),
        }

    def _finish(self, job: Job, reason: str, **fault: Any) -> None:
        if job.ended is not None:
            job.ended(reason)
        else:
            self._emit(self.id, EventType.JOB_DONE, job=job.id, kind=job.kind, reason=reason, **fault)

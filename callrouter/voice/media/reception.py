"""What arrived on a leg: counts, loss and jitter by the rules of RFC 3550 appendix A."""

from __future__ import annotations

from .packet import SAMPLE_RATE
from .rtcp import ReportBlock


class Reception:
    """One incoming stream at a time; a new SSRC starts the count of loss again. Times are steady seconds."""

    __slots__ = (
        "_base", "_expected_before", "_highest", "_received_before", "_report", "_report_at", "_since",
        "_transit", "jitter", "last_at", "octets", "packets", "ssrc",
    )  # fmt: skip

    def __init__(self) -> None:
        self.packets = self.octets = 0
        self.last_at: float | None = None
        self.ssrc: int | None = None
        self.jitter = 0.0  # samples
        self._base = self._highest = self._since = 0
        self._expected_before = self._received_before = 0
        self._transit: float | None = None
        self._report, self._report_at = 0, 0.0

    def packet(self, ssrc: int, sequence: int, timestamp: int, octets: int, now: float) -> None:
        """Count one packet that arrived `now`."""
        step = (sequence - self._highest + 0x8000 & 0xFFFF) - 0x8000
        if ssrc != self.ssrc or not -100 <= step <= 3000:
            self.ssrc, self._base, self._highest, self._since = ssrc, sequence, sequence, 0
            self._expected_before = self._received_before = 0
            self._transit = None
        elif step > 0:
            self._highest += step
        self.packets += 1
        self._since += 1
        self.octets += octets
        self.last_at = now
        transit = now * SAMPLE_RATE - timestamp
        if self._transit is not None:
            change = abs(transit - self._transit)
            if change < SAMPLE_RATE:  # a jump of a second is a new talk spurt, not jitter
                self.jitter += (change - self.jitter) / 16
        self._transit = transit

    @property
    def lost(self) -> int:
        """Packets of this stream that are missing; never below zero."""
        return max(0, self._highest - self._base + 1 - self._since) if self.ssrc is not None else 0

    @property
    def jitter_ms(self) -> float:
        return self.jitter * 1000 / SAMPLE_RATE

    def sender_report(self, ntp_middle: int, now: float) -> None:
        """The far end's sender report came; our next report echoes it, for its round-trip time."""
        self._report, self._report_at = ntp_middle, now

    def block(self, now: float) -> ReportBlock | None:
        """The report on this stream since the last call, or None while there is no stream."""
        if self.ssrc is None:
            return None
        expected = self._highest - self._base + 1
        span, got = expected - self._expected_before, self._since - self._received_before
        self._expected_before, self._received_before = expected, self._since
        missing = max(0, span - got)
        return ReportBlock(
            ssrc=self.ssrc,
            fraction_lost=min(255, missing * 256 // span) if span > 0 else 0,
            lost=min(self.lost, 0x7FFFFF),
            highest=self._highest & 0xFFFFFFFF,
            jitter=int(self.jitter),
            last_report=self._report,
            delay=int((now - self._report_at) * 65536) & 0xFFFFFFFF if self._report else 0,
        )

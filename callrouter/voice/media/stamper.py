"""Sequence numbers and timestamps of one outgoing RTP stream, whoever feeds it.

A receiver sees one stream from us with one SSRC, while its source changes: silence, a tone, one
far end, then another. Numbers must go on without a jump back, else SRTP's replay check mutes the
stream, and without reuse, else SRTP's keystream repeats.
"""

from __future__ import annotations

from .packet import FRAME_SECONDS, SAMPLE_RATE, SAMPLES

_LOCAL = -1
_MAX_DROPOUT = 3000  # RFC 3550 appendix A.1
_MAX_MISORDER = 100


class Stamper:
    """Times are seconds of any steady clock."""

    __slots__ = (
        "_highest",
        "_last",
        "_offset",
        "_shift",
        "_source",
        "_span",
        "sequence",
        "ssrc",
        "timestamp",
    )

    def __init__(self, *, ssrc: int, sequence: int, timestamp: int) -> None:
        self.ssrc = ssrc
        self.sequence = sequence & 0xFFFF  # the highest one sent
        self.timestamp = timestamp & 0xFFFFFFFF  # the latest one sent
        self._last: float | None = None  # when
        self._source: int | None = None
        self._offset = self._shift = self._highest = 0
        self._span = 0  # how far back from the highest this source's own numbers reach

    def change_source(self) -> None:
        """Whatever comes next is another source, even if its SSRC is the same."""
        self._source = None

    def relay(self, source: int, sequence: int, timestamp: int, now: float) -> tuple[int, int, bool] | None:
        """Numbers for a packet of the far end `source` (its SSRC): sequence, timestamp, new source.

        Gaps and small reorderings are kept, so that the receiver sees the loss there was. None: the
        packet is a duplicate, or older than the moment this source was chosen, and is dropped.
        """
        step = (sequence - self._highest + 0x8000 & 0xFFFF) - 0x8000
        started = source != self._source or step > _MAX_DROPOUT or step < -_MAX_MISORDER
        if started:
            self._source, self._span = source, 0
            self._offset = self.sequence + 1 - sequence
            self._shift = self.timestamp + self._elapsed(now) - timestamp
        elif step == 0 or -step > self._span:
            return None
        out = sequence + self._offset & 0xFFFF
        stamp = timestamp + self._shift & 0xFFFFFFFF
        if started or step > 0:
            if not started:
                self._span = min(self._span + step, _MAX_MISORDER)
            self._highest, self.sequence, self.timestamp, self._last = sequence, out, stamp, now
        return out, stamp, started

    def skip(self, source: int, sequence: int) -> None:
        """A packet of this source that will not be relayed, such as a digit: leave no gap for it."""
        step = sequence - self._highest & 0xFFFF
        if source == self._source and step < _MAX_DROPOUT:
            self._offset -= step
            self._highest, self._span = sequence, 0

    def generate(self, now: float) -> tuple[int, int, bool]:
        """Numbers for the next frame of our own."""
        started = self._source != _LOCAL
        self._source = _LOCAL
        self.sequence = self.sequence + 1 & 0xFFFF
        self.timestamp = self.timestamp + self._elapsed(now) & 0xFFFFFFFF
        self._last = now
        return self.sequence, self.timestamp, started

    def again(self) -> tuple[int, int]:
        """Numbers for one more packet of our own about the same moment: a digit's updates (RFC 4733)."""
        self._source = _LOCAL
        self.sequence = self.sequence + 1 & 0xFFFF
        return self.sequence, self.timestamp

    def timestamp_at(self, now: float) -> int:
        """The RTP time that corresponds to `now`, for a sender report."""
        past = 0.0 if self._last is None else max(0.0, now - self._last)
        return self.timestamp + round(past * SAMPLE_RATE) & 0xFFFFFFFF

    def _elapsed(self, now: float) -> int:
        """Samples since the latest timestamp, in whole frames, one at least."""
        frames = 1 if self._last is None else round((now - self._last) / FRAME_SECONDS)
        return max(1, frames) * SAMPLES

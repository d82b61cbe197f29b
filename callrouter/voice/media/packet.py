"""RTP packets (RFC 3550 section 5.1), the part a relay needs."""

from __future__ import annotations

import struct
from typing import NamedTuple

_HEADER = struct.Struct("!BBHII")
_EXTENSION = struct.Struct("!HH")

PCMU = 0
PCMA = 8
SAMPLES = 160
"""Samples, and for G.711 bytes, in one frame of 20 ms."""
SAMPLE_RATE = 8000
FRAME_SECONDS = 0.02


class RtpPacket(NamedTuple):
    """One packet, without CSRCs, header extension and padding."""

    payload_type: int
    marker: bool
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes


def parse_rtp(data: bytes) -> RtpPacket | None:
    """The packet, or None if the bytes are not well-formed RTP of version 2."""
    size = len(data)
    if size < 12:
        return None
    first, second, sequence, timestamp, ssrc = _HEADER.unpack_from(data)
    if first >> 6 != 2:
        return None
    start, end = 12, size
    if first != 0x80:  # rare on the plain telephone side, usual from browsers
        start += (first & 0x0F) * 4
        if first & 0x10:
            if start + 4 > size:
                return None
            start += 4 + 4 * _EXTENSION.unpack_from(data, start)[1]
        if first & 0x20:
            end -= data[-1]
            if data[-1] == 0:
                return None
        if start > end:
            return None
    return RtpPacket(second & 0x7F, second > 0x7F, sequence, timestamp, ssrc, data[start:end])


def write_rtp(packet: RtpPacket) -> bytes:
    """The packet with a bare 12-byte header."""
    return rtp_header(*packet[:5]) + packet.payload


def rtp_header(payload_type: int, marker: bool, sequence: int, timestamp: int, ssrc: int) -> bytes:
    """The 12 bytes alone, for the relay's short path."""
    return _HEADER.pack(0x80, payload_type | marker << 7, sequence, timestamp, ssrc)


def is_rtcp(data: bytes) -> bool:
    """Whether a packet on a shared port is RTCP (RFC 5761 section 4)."""
    return len(data) > 1 and 192 <= data[1] <= 223

"""RTCP reports (RFC 3550 section 6): written every few seconds, read for statistics."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

_SENDER_REPORT = 200
_RECEIVER_REPORT = 201
_SOURCE_DESCRIPTION = 202
_NTP_EPOCH = 2_208_988_800  # seconds from 1900 to 1970

_BLOCK = struct.Struct("!IIIIII")
_SENDER = struct.Struct("!IIIII")


@dataclass(frozen=True, kw_only=True)
class ReportBlock:
    """What a receiver says about one stream. `jitter` is in samples, delays in 1/65536 s."""

    ssrc: int
    fraction_lost: int  # of 256
    lost: int
    highest: int
    jitter: int
    last_report: int  # middle 32 bits of the NTP time in the last sender report
    delay: int  # since that report


@dataclass(frozen=True, kw_only=True)
class Report:
    """One sender or receiver report; `ntp_middle` is None for a receiver's."""

    ssrc: int
    ntp_middle: int | None
    blocks: tuple[ReportBlock, ...]


def ntp(unix: float) -> int:
    """A 64-bit NTP timestamp."""
    return int((unix + _NTP_EPOCH) * 2**32) & 0xFFFFFFFFFFFFFFFF


def ntp_middle(unix: float) -> int:
    """The middle 32 bits of the NTP time: 1/65536 s, as reports echo it."""
    return ntp(unix) >> 16 & 0xFFFFFFFF


def write_report(
    *,
    ssrc: int,
    unix: float,
    timestamp: int,
    packets: int,
    octets: int,
    block: ReportBlock | None,
    cname: str,
) -> bytes:
    """A compound packet: sender report (a receiver report while nothing was sent), then our name."""
    reports = b"" if block is None else _pack_block(block)
    head = struct.pack("!I", ssrc)
    kind = _RECEIVER_REPORT
    if packets:
        kind, time = _SENDER_REPORT, ntp(unix)
        counts = (timestamp, packets & 0xFFFFFFFF, octets & 0xFFFFFFFF)
        head += _SENDER.pack(time >> 32, time & 0xFFFFFFFF, *counts)
    name = cname.encode()
    item = struct.pack("!IBB", ssrc, 1, len(name)) + name
    item += bytes(4 - len(item) % 4)  # at least one zero ends the list
    return _packet(kind, len(reports) // 24, head + reports) + _packet(_SOURCE_DESCRIPTION, 1, item)


def read_reports(data: bytes) -> Iterator[Report]:
    """The sender and receiver reports of a compound packet; malformed rest is ignored."""
    position = 0
    while position + 8 <= len(data):
        first, kind, words = struct.unpack_from("!BBH", data, position)
        end = position + 4 + 4 * words
        if first >> 6 != 2 or end > len(data):
            return
        body = data[position + 4 : end]
        start = {_SENDER_REPORT: 24, _RECEIVER_REPORT: 4}.get(kind)
        if start is not None and start <= len(body):
            count = min(first & 0x1F, (len(body) - start) // 24)
            yield Report(
                ssrc=struct.unpack_from("!I", body)[0],
                ntp_middle=struct.unpack_from("!I", body, 6)[0] if kind == _SENDER_REPORT else None,
                blocks=tuple(_unpack_block(body, start + 24 * index) for index in range(count)),
            )
        position = end


def round_trip(block: ReportBlock, unix: float) -> float | None:
    """Seconds, from a report about our stream (RFC 3550 section 6.4.1); None if it echoes none of ours."""
    if not block.last_report:
        return None
    middle = ntp_middle(unix) - block.last_report - block.delay & 0xFFFFFFFF
    return middle / 65536 if middle < 60 * 65536 else None


def _packet(kind: int, count: int, body: bytes) -> bytes:
    return struct.pack("!BBH", 0x80 | count, kind, len(body) // 4) + body


def _pack_block(block: ReportBlock) -> bytes:
    loss = (block.fraction_lost & 0xFF) << 24 | block.lost & 0xFFFFFF
    return _BLOCK.pack(block.ssrc, loss, block.highest, block.jitter, block.last_report, block.delay)


def _unpack_block(data: bytes, start: int) -> ReportBlock:
    ssrc, loss, highest, jitter, last_report, delay = _BLOCK.unpack_from(data, start)
    lost = loss & 0xFFFFFF
    return ReportBlock(
        ssrc=ssrc,
        fraction_lost=loss >> 24,
        lost=lost - (1 << 24) if lost & 0x800000 else lost,
        highest=highest,
        jitter=jitter,
        last_report=last_report,
        delay=delay,
    )

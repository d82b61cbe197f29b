"""The pure parts: packets, numbering, counting, G.711, tones, digits, RTCP."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from voice_peers import loudest, unhurried

from callrouter.voice.media import dtmf, g711, rtcp, tones, voices
from callrouter.voice.media.packet import RtpPacket, parse_rtp, write_rtp
from callrouter.voice.media.reception import Reception
from callrouter.voice.media.stamper import Stamper

WORD = st.integers(0, 0xFFFF)
LONG = st.integers(0, 0xFFFFFFFF)


@unhurried
@given(st.builds(RtpPacket, st.integers(0, 127), st.booleans(), WORD, LONG, LONG, st.binary(max_size=200)))
def test_rtp_round_trip(packet: RtpPacket) -> None:
    assert parse_rtp(write_rtp(packet)) == packet


@unhurried
@given(st.binary(max_size=100))
def test_rtp_garbage_is_refused_or_read_never_raised(data: bytes) -> None:
    packet = parse_rtp(data)
    assert packet is None or (data[0] >> 6 == 2 and len(packet.payload) <= len(data) - 12)
    list(rtcp.read_reports(data))


def test_rtp_extension_csrc_and_padding_are_stripped() -> None:
    """The browser's mid and audio-level extensions must not reach a carrier (media-sip 5)."""
    head = bytes([0x80 | 0x20 | 0x10 | 1, 0]) + bytes(10)
    data = head + b"CSRC" + b"\xbe\xde\x00\x01abcd" + b"audio" + b"\x00\x00\x03"
    packet = parse_rtp(data)
    assert packet is not None
    assert packet.payload == b"audio"
    assert parse_rtp(data[:-1] + b"\xff") is None, "padding longer than the packet"


def stamper() -> Stamper:
    return Stamper(ssrc=1, sequence=65_530, timestamp=0xFFFFFFF0)


@unhurried
@given(
    st.lists(st.tuples(st.sampled_from([7, 8, None]), st.integers(-150, 400), st.integers(0, 5)), max_size=60)
)
def test_no_sequence_number_is_used_twice(steps: list[tuple[int | None, int, int]]) -> None:
    """Reuse is what SRTP answers with silence, and what breaks its keystream (voice-sdk-protocol 7)."""
    out, used, now, place = stamper(), set(), 0.0, {7: 1000, 8: 64_000}
    for source, step, pause in steps:
        now += pause * 0.02
        if source is None:
            numbers = out.generate(now)
        else:
            place[source] = place[source] + step & 0xFFFF
            numbers = out.relay(source, place[source], place[source] * 160 & 0xFFFFFFFF, now)
        if numbers is not None and (source is None or step >= 0):
            assert numbers[0] not in used
            used.add(numbers[0])


def test_source_change_goes_on_where_the_last_one_ended() -> None:
    out = stamper()
    assert out.generate(0.0) == (65_531, 0xFFFFFFF0 + 160 & 0xFFFFFFFF, True)
    assert out.generate(0.02)[0] == 65_532
    sequence, stamp, first = out.relay(9, 5, 800, 0.10)
    assert (sequence, first) == (65_533, True)
    assert out.relay(9, 6, 960, 0.12) == (65_534, stamp + 160, False)
    assert out.relay(9, 8, 1280, 0.16)[0] == 0, "a lost packet stays a gap"
    assert out.relay(9, 7, 1120, 0.16)[0] == 65_535, "a late one fills it"
    assert out.relay(9, 8, 1280, 0.16) is None, "a duplicate is dropped"
    assert out.relay(9, 4, 640, 0.16) is None, "older than the source is dropped"


def test_time_goes_on_over_a_pause() -> None:
    out = stamper()
    first = out.generate(0.0)[1]
    assert (out.generate(1.0)[1] - first) & 0xFFFFFFFF == 8000


def test_skipped_packets_leave_no_gap() -> None:
    """Digits towards a browser vanish without looking like loss."""
    out = stamper()
    sequence = out.relay(9, 100, 0, 0.0)[0]
    for number in range(101, 109):
        out.skip(9, number)
    assert out.relay(9, 109, 1600, 0.2)[0] == sequence + 1


def test_jump_of_the_source_is_a_new_start() -> None:
    out = stamper()
    sequence = out.relay(9, 100, 0, 0.0)[0]
    assert out.relay(9, 40_000, 999_999, 0.02)[::2] == (sequence + 1, True)


def test_reception_counts_loss_reordering_and_wrap() -> None:
    heard = Reception()
    for number in (65_533, 65_534, 0, 65_535, 3):
        heard.packet(1, number & 0xFFFF, 0, 172, 0.0)
    assert (heard.packets, heard.lost) == (5, 2)
    block = heard.block(1.0)
    assert block is not None
    assert (block.lost, block.fraction_lost) == (2, 2 * 256 // 7)
    assert heard.block(2.0).fraction_lost == 0, "the fraction is of the time since the last report"


def test_reception_jitter_of_one_late_packet() -> None:
    """RFC 3550 section 6.4.1: a sixteenth of the change; 20 ms late is 160 samples."""
    heard = Reception()
    heard.packet(1, 1, 160, 172, 1.00)
    heard.packet(1, 2, 320, 172, 1.04)
    assert heard.jitter == pytest.approx(10)


def test_reception_jitter() -> None:
    heard = Reception()
    for number in range(200):
        heard.packet(1, number, number * 160, 172, number * 0.02 + (number % 2) * 0.005)
    assert heard.jitter_ms == pytest.approx(5, abs=0.3)


def test_rtcp_round_trip_and_time() -> None:
    block = rtcp.ReportBlock(
        ssrc=3, fraction_lost=9, lost=-2, highest=70_000, jitter=17, last_report=0, delay=0
    )
    sent = rtcp.write_report(
        ssrc=5, unix=1e9, timestamp=1, packets=4, octets=640, block=block, cname="callrouter"
    )
    assert len(sent) % 4 == 0
    (report,) = rtcp.read_reports(sent)
    assert (report.ssrc, report.blocks) == (5, (block,))
    assert report.ntp_middle == rtcp.ntp_middle(1e9)
    echo = rtcp.ReportBlock(
        ssrc=5, fraction_lost=0, lost=0, highest=1, jitter=0, last_report=report.ntp_middle, delay=65_536
    )
    assert rtcp.round_trip(echo, 1e9 + 1.25) == pytest.approx(0.25, abs=1e-3)
    assert rtcp.round_trip(echo, 1e9 + 0.5) is None, "clocks that disagree give no figure"


def test_g711_known_values() -> None:
    """ITU-T G.711 tables: extremes and zero."""
    assert g711.decode(bytes([0x00, 0x80, 0x7F, 0xFF])).tolist() == [-32124, 32124, 0, 0]
    assert g711.encode(np.array([0, 32767, -32768])) == bytes([0xFF, 0x80, 0x00])
    assert g711.decode(bytes([0xD5]).translate(g711.PCMA_TO_PCMU)).tolist()[0] in (0, 8, -8)


def test_g711_round_trips() -> None:
    every = bytes(range(256))
    again = g711.encode(g711.decode(every))
    assert g711.decode(again).tolist() == g711.decode(every).tolist()
    there = every.translate(g711.PCMU_TO_PCMA).translate(g711.PCMA_TO_PCMU)
    one, two = g711.decode(every).astype(int), g711.decode(there).astype(int)
    assert np.all(np.abs(one - two) <= np.abs(one) * 0.07 + 16)


@pytest.mark.parametrize("name", sorted(tones.TONES))
def test_tones_are_whole_frames_of_their_frequency(name: str) -> None:
    tone = tones.TONES[name]
    sound = tones.frames(tone)
    assert {len(frame) for frame in sound} == {160}
    loud = g711.decode(b"".join(sound[: round(tone.on / 0.02)]))
    assert min(abs(loudest(loud) - hertz) for hertz in tone.frequencies) < 5


def test_every_key_has_its_own_two_tones() -> None:
    assert len({tones.keypad(key, 0.1).frequencies for key in dtmf.KEYS}) == 16
    assert tones.keypad("5", 0.1).frequencies == (770, 1336)


@unhurried
@given(st.text(alphabet="0123456789*#ABCD", min_size=1, max_size=8), st.data())
def test_each_key_press_is_told_once_whatever_is_lost(keys: str, data: st.DataObject) -> None:
    """RFC 4733: updates and ends may be lost, repeated or late."""
    reader, told = dtmf.DigitReader(), ""
    for number, key in enumerate(keys):
        packets = list(dtmf.event_payloads(key))
        kept = data.draw(st.lists(st.sampled_from(packets), min_size=1, max_size=12))
        told += "".join(reader.read(1, number * 1600, payload) or "" for payload in kept)
    assert told == keys


def test_a_press_of_many_seconds_is_one_press() -> None:
    """RFC 4733 section 2.5.1.3: it goes on in segments of 0xFFFF samples."""
    reader = dtmf.DigitReader()
    payload = bytes([5, 10, 0xFF, 0xFF])
    assert reader.read(1, 100, payload) == "5"
    assert reader.read(1, 100 + 0xFFFF, payload) is None
    assert reader.read(1, 100 + 2 * 0xFFFF, payload) is None
    assert reader.read(1, 300_000, payload) == "5"


def test_events_that_are_no_keys() -> None:
    reader = dtmf.DigitReader()
    assert reader.read(1, 1, bytes([16, 10, 0, 160])) is None
    assert reader.read(1, 1, b"\x05") is None


def test_plan_and_frames_of_digits() -> None:
    assert dtmf.plan("1wd") == [("1", 0), ("", 5), ("", 25), ("D", 0), ("", 5)]
    with pytest.raises(ValueError, match="'x'"):
        dtmf.plan("12x")
    sent = list(voices.digits(dtmf.plan("7"), events=True))
    events = [frame for frame in sent if frame.event]
    assert [frame.payload[0] for frame in events] == [7] * 8
    assert [bool(frame.payload[1] & 0x80) for frame in events] == [False] * 5 + [True] * 3
    assert [frame.marker for frame in events] == [True] + [False] * 7
    heard = list(voices.digits(dtmf.plan("7"), events=False))
    assert not any(frame.event for frame in heard)

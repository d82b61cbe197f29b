"""The pure parts of a recording: audio laid out in time, and hearing whether somebody speaks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from voice_peers import tone_frames, unhurried

from callrouter.voice.media import g711
from callrouter.voice.media.packet import RtpPacket
from callrouter.voice.media.reorder import ReorderBuffer
from callrouter.voice.media.silence import SilenceDetector

SILENT = b"\xff" * 160
WORD = st.integers(0, 0xFFFF)
LONG = st.integers(0, 0xFFFFFFFF)


def packet(
    number: int, payload: bytes = b"", *, sequence: int = 0, stamp: int = 0, ssrc: int = 5
) -> RtpPacket:
    return RtpPacket(
        0,
        False,
        sequence + number & 0xFFFF,
        stamp + number * 160 & 0xFFFFFFFF,
        ssrc,
        payload or bytes([number + 1]) * 160,
    )


def pulled(buffer: ReorderBuffer, count: int) -> list[bytes]:
    return [buffer.pull() for _ in range(count)]


@unhurried
@given(
    st.permutations(range(12)),
    st.sets(st.integers(0, 11)),
    st.lists(st.integers(0, 11), max_size=6),
    WORD,
    LONG,
)
def test_any_order_with_loss_and_repeats_gives_each_frame_its_place(
    order: list[int], lost: set[int], repeated: list[int], sequence: int, stamp: int
) -> None:
    """What is not lost is where it was said; what is lost is silence; numbers may wrap."""
    buffer, start = ReorderBuffer(), {"sequence": sequence, "stamp": stamp}
    buffer.put(packet(0, **start), 0)
    for number in [*order, *repeated]:
        if number not in lost:
            buffer.put(packet(number, **start), 0)
    lost -= {0}
    expected = [SILENT if number in lost else bytes([number + 1]) * 160 for number in range(12)]
    assert pulled(buffer, 13) == [*expected, SILENT]


@unhurried
@given(
    st.lists(
        st.one_of(
            st.none(),
            st.tuples(
                st.builds(
                    RtpPacket,
                    st.just(0),
                    st.booleans(),
                    st.one_of(WORD, st.integers(0, 30)),
                    st.one_of(LONG, st.integers(0, 4000)),
                    st.integers(1, 2),
                    st.binary(max_size=500),
                ),
                st.integers(-200, 4000),
            ),
        ),
        max_size=60,
    )
)
def test_whatever_arrives_frames_are_whole_and_memory_is_bounded(steps: list[Any]) -> None:
    buffer = ReorderBuffer(ahead=1000)
    for step in steps:
        if step is None:
            assert len(buffer.pull()) == 160
        else:
            received, delay = step
            at = max(0, buffer.head + delay)
            buffer.put(received, at)
            assert len(buffer._audio) <= 4000 + 1000 + 500


@pytest.mark.parametrize("size", [80, 240, 480])
def test_packets_of_any_length(size: int) -> None:
    sound = bytes(range(1, 241)) * 8
    buffer = ReorderBuffer()
    for number, start in enumerate(range(0, len(sound), size)):
        buffer.put(RtpPacket(0, False, number, start, 5, sound[start : start + size]), start)
    assert b"".join(pulled(buffer, 12)) == sound


def test_a_pause_of_the_sender_is_as_long_as_it_was() -> None:
    """DTX: the sequence goes on, the timestamp jumps (RFC 3551 section 4.1)."""
    buffer = ReorderBuffer()
    buffer.put(packet(0), 0)
    buffer.put(packet(1, b"\x07" * 160, stamp=800), 960)
    assert pulled(buffer, 7) == [b"\x01" * 160, *[SILENT] * 5, b"\x07" * 160]


def test_late_packets_are_counted_and_their_frame_stays_silent() -> None:
    buffer = ReorderBuffer()
    buffer.put(packet(0), 0)
    buffer.put(packet(2), 320)
    assert pulled(buffer, 2)[1] == SILENT
    buffer.put(packet(1), 400)
    assert (buffer.pull(), buffer.late) == (b"\x03" * 160, 1)


def test_a_stream_that_is_too_late_is_set_to_the_present() -> None:
    """A delay that stays must not mute the rest of the call."""
    buffer = ReorderBuffer()
    buffer.put(packet(0), 0)
    pulled(buffer, 10)
    for number in range(1, 4):
        buffer.put(packet(number), 1600 + number * 160)
    assert [frame for frame in pulled(buffer, 8) if frame != SILENT] == [
        bytes([number + 1]) * 160 for number in range(1, 4)
    ]


@pytest.mark.parametrize(
    "change", [{"ssrc": 9}, {"stamp": 4_000_000}, {"sequence": 30_000}, {"sequence": -200}]
)
def test_another_stream_begins_when_it_arrives(change: dict[str, int]) -> None:
    buffer = ReorderBuffer()
    buffer.put(packet(0), 0)
    buffer.put(packet(1, **change), 160)
    assert pulled(buffer, 2) == [b"\x01" * 160, b"\x02" * 160]


def test_a_fast_clock_never_fills_the_memory() -> None:
    buffer = ReorderBuffer(ahead=800)
    for number in range(2000):  # 200 frames of audio for 100 frames of time
        buffer.put(packet(number, b"\x05" * 160), number * 80)
        if number % 2:
            buffer.pull()
        assert len(buffer._audio) <= 800 + 320


def hear(detector: SilenceDetector, *frames: bytes) -> SilenceDetector:
    for frame in frames:
        detector.hear(frame)
    return detector


def noise(decibels: float) -> bytes:
    """A 440 Hz tone so far below full scale."""
    wave = np.sin(2 * np.pi * 440 * np.arange(160) / 8000) * 32_767 * 10 ** (decibels / 20)
    return g711.encode(wave)


@pytest.mark.parametrize(
    ("decibels", "sound"), [(-70, False), (-50, False), (-36, True), (-20, True), (0, True)]
)
def test_what_is_a_sound(decibels: float, sound: bool) -> None:
    """Line noise is none; a quiet voice is one."""
    assert hear(SilenceDetector(), *[noise(decibels)] * 10).heard is sound


def test_quiet_is_counted_from_the_last_sound() -> None:
    detector = hear(SilenceDetector(), *[SILENT] * 30)
    assert (detector.quiet, detector.heard) == (30, False)
    hear(detector, *tone_frames(600, 10))
    assert (detector.quiet, detector.heard) == (0, True)
    assert hear(detector, *[SILENT] * 50).quiet == 50


def test_a_click_is_no_sound_and_a_soft_syllable_goes_on_with_one() -> None:
    loud = noise(-10)
    assert not hear(SilenceDetector(), SILENT, loud, loud, SILENT, loud, loud, SILENT).heard
    detector = hear(SilenceDetector(), loud, loud, loud, *[SILENT] * 10, loud)
    assert detector.quiet == 0, "one loud frame within the hangover"
    hear(detector, *[SILENT] * 20, loud)
    assert detector.quiet == 21, "a click after it"

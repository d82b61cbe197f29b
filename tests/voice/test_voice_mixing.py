"""The pure parts under a room: sums of voices, hearing who speaks, and catching up."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from voice_house import added
from voice_peers import unhurried

from callrouter.voice.media import g711
from callrouter.voice.media.activity import Activity
from callrouter.voice.media.mixer import Mix, levels
from callrouter.voice.media.packet import RtpPacket
from callrouter.voice.media.reorder import ReorderBuffer
from callrouter.voice.media.silence import SilenceDetector

FRAME = st.binary(min_size=160, max_size=160)
OFTEN = st.lists(FRAME, max_size=12)


# -- sums ----------------------------------------------------------------------


@unhurried
@given(OFTEN)
def test_everybody_hears_the_sum_of_all_others(frames: list[bytes]) -> None:
    """Saturated, never wrapped; one voice alone is passed on byte for byte."""
    mix = Mix(frames)
    assert mix.whole() == added(frames)
    for index in range(len(frames)):
        assert mix.minus(index) == added(frames[:index] + frames[index + 1 :])


@unhurried
@given(OFTEN)
def test_levels_are_the_means_of_the_magnitudes(frames: list[bytes]) -> None:
    expected = [sum(map(abs, g711.decode(frame).tolist())) // 160 for frame in frames]
    assert levels(frames) == expected


# -- activity ------------------------------------------------------------------


def speech(*runs: tuple[int, int]) -> list[tuple[bool, bool]]:
    """(audible, speaking) after each run of (frames, level)."""
    activity, found = Activity(), []
    for count, level in runs:
        for _ in range(count):
            activity.hear(level)
        found.append((activity.audible, activity.speaking))
    return found


def test_a_click_is_heard_but_is_no_speech() -> None:
    assert speech((2, 9000), (13, 0), (2, 0)) == [(True, False), (True, False), (False, False)]


def test_hiss_is_not_mixed() -> None:
    assert speech((50, 47)) == [(False, False)]


def test_speech_goes_on_between_words() -> None:
    assert speech((3, 900), (29, 0), (1, 900), (29, 0), (1, 0)) == [
        (True, True),
        (False, True),
        (True, True),
        (False, True),
        (False, False),
    ]


def test_speech_begins_though_every_third_packet_is_lost() -> None:
    assert speech((2, 900), (1, 0), (2, 900))[-1] == (True, True)


def test_loud_is_what_a_recording_calls_loud() -> None:
    """One threshold: `room.speech` and a recording's end by silence agree on who is quiet."""
    for amplitude in (250, 300, 350, 420, 500, 8000):
        frame = g711.encode(np.sin(2 * np.pi * 500 * np.arange(160) / 8000) * amplitude)
        detector, activity = SilenceDetector(), Activity()
        for _ in range(4):
            detector.hear(frame)
            activity.hear(levels([frame])[0])
        assert detector.heard == activity.speaking == (amplitude >= 420), amplitude


# -- a late voice catches up -----------------------------------------------------


def test_a_frame_that_is_left_out_brings_all_others_forward() -> None:
    buffer = ReorderBuffer()
    for number in range(4):
        buffer.put(RtpPacket(0, False, number, number * 160, 5, bytes([number]) * 160), 0)
    buffer.skip()
    buffer.put(RtpPacket(0, False, 4, 640, 5, b"\x04" * 160), 0)
    assert [buffer.pull()[0] for _ in range(5)] == [1, 2, 3, 4, 0xFF]
    assert buffer.head == 800

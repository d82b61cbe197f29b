"""Recordings of both tracks, apart and mixed, and with pauses: judged by which tone is on which channel, and when."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_voice_phone_leg import phone_leg
from voice_media_stub import RATE, answer, measured, record, ulaw
from voice_peers import Events, Phone, run, tone_frames, unhurried, voice_node

from callrouter.voice.client import VoiceError
from callrouter.voice.media import g711
from callrouter.voice.media.tracks import interleaved, mixed
from tests.support.origin import Origin, Received, Script

SILENT = b"\xff" * 160
FRAME = st.binary(min_size=160, max_size=160)


def strength(sound: bytes, hertz: int) -> float:
    """How strong a tone is in mu-law audio: 1.0 is what our peers send all the time."""
    samples = g711.decode(sound).astype(float)
    phase = 2j * np.pi * hertz * np.arange(len(samples)) / RATE
    return float(abs(np.sum(samples * np.exp(-phase)))) * 2 / len(samples) / 8000


def heard(sound: bytes, *hertz: int) -> list[list[bool]]:
    """Which of the tones each 20 ms hold that hold any. Where one begins or ends is left out: a busy machine makes
    gaps, and what is between them is judged all the same."""
    frames = [sound[start : start + 160] for start in range(0, len(sound), 160)]
    found = [[strength(frame, hz) for hz in hertz] for frame in frames]
    whole = [each for each in found if all(value > 0.9 or value < 0.05 for value in each)]
    return [[value > 0.9 for value in each] for each in whole if max(each) > 0.9]


def tones_in(sound: bytes, *hertz: int) -> list[bool]:
    """Whether each tone is there, in all frames that hold any; those must be a quarter at least."""
    found = heard(sound, *hertz)
    assert len(found) >= len(sound) / 160 / 4, f"{len(found)} frames in {len(sound)} bytes"
    assert all(each == found[0] for each in found), found
    return found[0]


async def body(events: Events, origin: Origin, cause: str) -> bytes:
    """The audio that was stored."""
    assert (await events.wait("recording.done")).data["cause"] == cause
    (request,) = [each for each in origin.received if each.method == "PUT"]
    return request.body


async def bridged(client: Any) -> tuple[Phone, Phone]:
    """A says 600 Hz and hears 900."""
    one, other = await phone_leg(client, "A", 600), await phone_leg(client, "B", 900)
    await client.request("bridge.make", legs=["A", "B"])
    await one.hears(900)
    await other.hears(600)
    return one, other


def test_two_channels_keep_the_tracks_apart() -> None:
    """What the far end says is on the first channel, what it hears on the second, and nothing of the other."""

    async def scenario() -> None:
        with Origin(measured) as origin:
            async with voice_node() as (_, client, events):
                _, other = await bridged(client)
                await record(client, origin, track="both", channels=2, max_length=2)
                sound = await body(events, origin, "length")
                assert origin.received[0].target == "/RE1?channels=2&trim=0"
                assert len(sound) == 2 * 2 * RATE
                left, right = heard(sound[0::2], 600, 900), heard(sound[1::2], 600, 900)
                assert left == [[True, False]] * len(left) != []
                assert right == [[False, True]] * len(right) != []
                await other.hears(600)

    run(scenario())


def test_one_channel_of_both_tracks_is_their_sum() -> None:
    async def scenario() -> None:
        with Origin(measured) as origin:
            async with voice_node() as (_, client, events):
                await bridged(client)
                await record(client, origin, track="both", max_length=1)
                sound = await body(events, origin, "length")
                assert origin.received[0].target == "/RE1?channels=1&trim=0"
                assert len(sound) == RATE
                both = heard(sound, 600, 900)
                assert both.count([True, True]) > len(both) / 2, "what is said and heard at once is one sound"

    run(scenario())


def test_the_outbound_track_is_what_the_far_end_hears() -> None:
    """Byte for byte: a sound, and not what the far end says meanwhile."""
    one = ulaw(700, 1.0)

    def service(request: Received) -> Script:
        return answer(200, one) if request.path == "/one" else measured(request)

    async def scenario() -> None:
        with Origin(service) as origin:
            async with voice_node() as (_, client, events):
                await phone_leg(client, "A", 600)
                await record(client, origin, track="outbound")
                await client.request("leg.play", leg="A", url=origin.url("/one"))
                await events.wait("job.done", "A")
                await client.request("leg.record_stop", leg="A", recording="RE1")
                assert (await body(events, origin, "stopped")).strip(b"\xff") == one

    run(scenario())


def test_both_tracks_have_one_clock() -> None:
    """A far end that repeats what it hears at once: the repetition is not more than 60 ms after the original."""
    one = ulaw(700, 0.5)

    def service(request: Received) -> Script:
        return answer(200, one) if request.path == "/one" else measured(request)

    class Parrot(Phone):
        def datagram_received(self, data: bytes, addr: Any) -> None:
            super().datagram_received(data, addr)
            if self.target is not None:
                self.send(self.received[-1].payload)

    async def scenario() -> None:
        with Origin(service) as origin:
            async with voice_node() as (_, client, events):
                parrot = await Parrot.open(600)
                made = await client.request("leg.create", leg="A", kind="rtp", sdp=parrot.sdp())
                parrot.call(made["sdp"])
                parrot.hush()
                await record(client, origin, track="both", channels=2)
                await client.request("leg.play", leg="A", url=origin.url("/one"))
                await events.wait("job.done", "A")
                await asyncio.sleep(0.3)
                await client.request("leg.record_stop", leg="A", recording="RE1")
                sound = await body(events, origin, "stopped")
                said, heard = sound[0::2], sound[1::2]
                assert said.strip(b"\xff") == heard.strip(b"\xff") == one
                late = heard.lstrip(b"\xff"), said.lstrip(b"\xff")
                assert 0 <= len(late[0]) - len(late[1]) <= 3 * 160

    run(scenario())


@pytest.mark.parametrize("skip", [True, False])
def test_what_is_said_in_a_pause_is_not_recorded(skip: bool) -> None:
    """Left out, or silence in its place; then the recording goes on. On both channels."""

    async def scenario() -> None:
        with Origin(measured) as origin:
            async with voice_node() as (_, client, events):
                one, other = await bridged(client)
                began = time.monotonic()
                await record(client, origin, track="both", channels=2)
                await asyncio.sleep(0.6)
                await client.request("leg.record_pause", leg="A", recording="RE1", skip=skip)
                paused = time.monotonic()
                one.frames, other.frames = tone_frames(1300), tone_frames(1700)
                await one.hears(1700)
                await other.hears(1300)
                one.frames, other.frames = tone_frames(2000), tone_frames(2300)
                await one.hears(2300)
                await other.hears(2000)
                await client.request("leg.record_resume", leg="A", recording="RE1")
                pause = time.monotonic() - paused
                await client.request("leg.record_resume", leg="A", recording="RE1")
                await asyncio.sleep(0.6)
                await client.request("leg.record_stop", leg="A", recording="RE1")
                passed = time.monotonic() - began
                sound = await body(events, origin, "stopped")
                left, right = sound[0::2], sound[1::2]
                for channel, first, missing, then in ((left, 600, 1300, 2000), (right, 900, 1700, 2300)):
                    assert tones_in(channel[800:4000], first, missing, then) == [True, False, False]
                    assert tones_in(channel[-4000:], first, missing, then) == [False, False, True]
                    assert strength(channel, missing) < 0.05
                quiet = max(map(len, left[4000:].translate(_PRESENCE).split(b"x"))) / RATE
                # A machine that stalls tears small holes into what is said.
                assert quiet < pause / 2 if skip else abs(quiet - pause) < pause / 4
                assert abs(len(left) / RATE - (passed - pause * skip)) < 0.2

    run(scenario())


_PRESENCE = bytes(0x20 if code in (0x7F, 0xFF) else 0x78 for code in range(256))
"""For `bytes.translate`: "x" for what is no silence."""


def test_a_pause_is_no_silence_that_ends_it() -> None:
    """And its time, when it is left out, is none of its length."""

    async def scenario() -> None:
        with Origin(measured) as origin:
            async with voice_node() as (_, client, events):
                await phone_leg(client, "A", 600)
                await record(client, origin, silence=1, max_length=1)
                await client.request("leg.record_pause", leg="A", recording="RE1", skip=True)
                await asyncio.sleep(1.5)
                assert not events.of("recording.done")
                await client.request("leg.record_resume", leg="A", recording="RE1")
                sound = await body(events, origin, "length")
                assert len(sound) == RATE
                assert tones_in(sound, 600) == [True]

    run(scenario())


def test_silence_ends_it_when_both_are_silent() -> None:
    async def scenario() -> None:
        with Origin(measured) as origin:
            async with voice_node() as (_, client, events):
                one, other = await bridged(client)
                one.hush()
                await record(client, origin, silence=1, track="both", channels=2)
                await asyncio.sleep(1.5)
                assert not events.of("recording.done"), "the other one speaks"
                other.hush()
                sound = await body(events, origin, "silence")
                assert not sound[-2 * RATE + 640 :].strip(b"\xff")
                assert events.of("recording.done")[0].data["silent"] is False

    run(scenario())


def test_a_hangup_ends_both_tracks_and_leaves_nothing_behind() -> None:
    async def scenario() -> None:
        with Origin(measured) as origin:
            async with voice_node() as (node, client, events):
                await bridged(client)
                await record(client, origin, track="both", channels=2)
                leg = node._board._legs["A"]
                assert len(leg.listeners) == len(leg.hearers) == 1
                await asyncio.sleep(0.3)
                await client.request("leg.close", leg="A")
                assert len(await body(events, origin, "hangup")) % 320 == 0
                assert (leg.listeners, leg.hearers) == ((), ())

    run(scenario())


@pytest.mark.parametrize(
    "fields",
    [
        {"channels": 2},
        {"channels": 2, "track": "outbound"},
        {"channels": 3, "track": "both"},
        {"channels": 2, "track": "both", "upload": "http://media/RE1?channels=1"},
        {"track": "sideways"},
        {"track": 1},
    ],
)
def test_what_cannot_be_recorded_is_refused(fields: dict[str, Any]) -> None:
    async def scenario() -> None:
        with Origin(measured) as origin:
            async with voice_node() as (_, client, _events):
                await phone_leg(client, "A", 600)
                with pytest.raises(VoiceError, match="bad_request"):
                    await record(client, origin, **fields)

    run(scenario())


def test_pausing_what_does_not_run_changes_nothing() -> None:
    async def scenario() -> None:
        async with voice_node() as (_, client, _events):
            await phone_leg(client, "A", 600)
            for leg in ("A", "gone"):
                assert await client.request("leg.record_pause", leg=leg, recording="RE1", skip=True) == {}
                assert await client.request("leg.record_resume", leg=leg, recording="RE1") == {}

    run(scenario())


@unhurried
@given(FRAME, FRAME)
def test_a_mix_is_the_sum_and_never_wraps(one: bytes, other: bytes) -> None:
    sums = g711.decode(one).astype(int) + g711.decode(other)
    expected = g711.decode(g711.encode(sums.astype(float)))
    assert np.array_equal(g711.decode(mixed([one, other])), expected)


@unhurried
@given(FRAME)
def test_a_voice_alone_is_not_changed(frame: bytes) -> None:
    assert mixed([frame]) == mixed([frame, SILENT]) == mixed([SILENT, frame]) == frame
    assert mixed([SILENT, SILENT]) == SILENT


@unhurried
@given(st.lists(FRAME, min_size=1, max_size=2))
def test_channels_can_be_taken_apart_again(frames: list[bytes]) -> None:
    sound = interleaved(frames)
    assert [sound[number :: len(frames)] for number in range(len(frames))] == frames

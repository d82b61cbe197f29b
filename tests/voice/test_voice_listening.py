"""Listening: utterances found by their energy, brought to a scripted recogniser, and told once."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_voice_phone_leg import phone_leg
from voice_media_stub import CREDENTIALS, RATE, answer, fault, in_turn, requests
from voice_peers import Events, Phone, run, tone_frames, unhurried, until, voice_node

from callrouter.voice import listening
from callrouter.voice.client import VoiceClient, VoiceError
from callrouter.voice.media import g711
from callrouter.voice.media.silence import SpeechDetector
from callrouter.voice.media.utterance import Stage, Utterance
from tests.support.origin import HANG, RESET, Origin, Received, Step

SILENT = b"\xff" * 160


def understood(text: str, confidence: float = 0.9) -> list[Step]:
    body = json.dumps({"text": text, "confidence": confidence}).encode()
    return answer(200, body, kind="application/json")


async def listen(
    client: VoiceClient, origin: Origin, listen: str = "L1", leg: str = "A", **more: Any
) -> None:
    fields = {"url": origin.url("/heard?language=en-US&hints=a%2Cb"), "silence": 300, "longest": 20, **more}
    assert await client.request("leg.listen", leg=leg, listen=listen, **fields) == {"listen": listen}


async def done(events: Events, count: int = 1) -> dict[str, Any]:
    return dict((await events.wait("speech.done", "A", count, seconds=15)).data)


async def quiet_phone(client: VoiceClient) -> Phone:
    phone = await phone_leg(client, "A", 600)
    phone.frames = [SILENT]
    return phone


async def say(phone: Phone, hertz: int = 600, seconds: float = 0.5) -> None:
    """So many frames of a tone, however busy the machine is; then silence again."""
    phone.hush()
    begin = time.monotonic()
    for number, frame in enumerate(tone_frames(hertz, round(seconds * 50))):
        phone.send(frame)
        await asyncio.sleep(max(0.0, begin + (number + 1) * 0.02 - time.monotonic()))
    phone.frames = [SILENT]
    phone.talk()


# -- the whole way ----------------------------------------------------------------


def test_what_is_said_is_recognised() -> None:
    """Started with the first word, done after the silence; the audio is whole, and the token is ours."""

    async def scenario() -> None:
        with Origin(lambda _: understood("sales")) as origin:
            async with voice_node(media_credentials=lambda: CREDENTIALS) as (node, client, events):
                phone = await quiet_phone(client)
                await listen(client, origin, silence=0)
                await asyncio.sleep(0.5)
                assert not events.of("speech.started")
                await say(phone, seconds=0.6)
                assert (await events.wait("speech.started", "A")).data == {"listen": "L1"}
                found = {"listen": "L1", "text": "sales", "confidence": 0.9, "cause": "silence"}
                assert await done(events) == found
                (request,) = origin.received
                assert (request.method, request.target) == ("POST", "/heard?language=en-US&hints=a%2Cb")
                assert request.headers["authorization"] == CREDENTIALS["Authorization"]
                assert request.headers["content-type"] == "audio/basic"
                sound = request.body.strip(b"\xff")
                assert 0.4 * RATE < len(sound) < 0.9 * RATE
                assert request.body.startswith(SILENT), "a moment before the first word"
                assert len(request.body) < 1.8 * RATE
                assert len(events.of("speech.done")) == len(events.of("speech.started")) == 1
                assert node.stats()["listening"] == 0

    run(scenario())


def test_a_pause_between_words_does_not_end_it() -> None:
    async def scenario() -> None:
        with Origin(lambda _: understood("one two")) as origin:
            async with voice_node() as (_, client, events):
                phone = await quiet_phone(client)
                await listen(client, origin, silence=900)
                await say(phone, 600, 0.3)
                await asyncio.sleep(0.4)
                await say(phone, 900, 0.3)
                assert (await done(events))["text"] == "one two"
                samples = g711.decode(origin.received[0].body)
                spectrum = np.abs(np.fft.rfft(samples, RATE * 4))
                assert min(spectrum[600 * 4], spectrum[900 * 4]) > 5 * spectrum[1500 * 4]

    run(scenario())


def test_the_longest_ends_it() -> None:
    async def scenario() -> None:
        with Origin(lambda _: understood("and so on")) as origin:
            async with voice_node() as (_, client, events):
                await phone_leg(client, "A", 600)
                await listen(client, origin, longest=1)
                assert (await done(events))["cause"] == "length"
                assert 1.0 <= len(origin.received[0].body) / RATE <= 1.6

    run(scenario())


def test_partial_results_come_in_order_and_one_at_a_time() -> None:
    """Every second what there is so far; a slow recogniser is asked again when it has answered."""
    at_work: list[int] = []

    def recogniser(request: Received) -> Iterable[Step]:
        partial = "partial=1" in request.target
        at_work.append(partial)
        assert sum(at_work) <= 1, "one at a time"
        if partial:
            yield 0.3
        at_work.remove(partial)
        yield from understood(f"{len(request.body) // RATE} s")

    async def scenario() -> None:
        with Origin(recogniser) as origin:
            async with voice_node() as (_, client, events):
                phone = await quiet_phone(client)
                await listen(client, origin, partial=True)
                await say(phone, seconds=2.7)
                facts = await done(events)
                partial = [event.data for event in events.of("speech.partial")]
                assert [each["sequence"] for each in partial] == [0, 1]
                assert [each["text"] for each in partial] == ["1 s", "2 s"]
                assert (facts["cause"], facts["text"]) == ("silence", "3 s")
                targets = [request.target for request in origin.received]
                assert targets[:2] == ["/heard?language=en-US&hints=a%2Cb&partial=1"] * 2
                assert targets[2] == "/heard?language=en-US&hints=a%2Cb"

    run(scenario())


def test_a_partial_result_that_is_too_late_is_not_told() -> None:
    def recogniser(request: Received) -> Iterable[Step]:
        return [HANG] if "partial" in request.target else understood("all")

    async def scenario() -> None:
        with Origin(recogniser) as origin:
            async with voice_node() as (_, client, events):
                phone = await quiet_phone(client)
                await listen(client, origin, partial=True)
                await say(phone, seconds=1.3)
                assert (await done(events))["text"] == "all"
                assert not events.of("speech.partial")
                assert len(origin.received) == 2

    run(scenario())


def test_the_recogniser_says_why_not() -> None:
    """Its code and its words reach the router; it is not asked twice."""

    async def scenario() -> None:
        with Origin(lambda _: fault(503, 13340, "There is no recogniser: install one.")) as origin:
            async with voice_node() as (_, client, events):
                phone = await quiet_phone(client)
                await listen(client, origin)
                await say(phone, seconds=0.3)
                facts = await done(events)
                assert (facts["cause"], facts["code"]) == ("failed", 13340)
                assert (facts["text"], facts["message"]) == ("", "There is no recogniser: install one.")
                assert len(origin.received) == 1

    run(scenario())


@pytest.mark.parametrize("body", [b"", b"[]", b'{"text": 1}', b'{"text": "a", "confidence": "high"}'])
def test_an_answer_that_says_nothing_is_a_fault(body: bytes) -> None:
    async def scenario() -> None:
        with Origin(lambda _: answer(200, body, kind="application/json")) as origin:
            async with voice_node() as (_, client, events):
                phone = await quiet_phone(client)
                await listen(client, origin)
                await say(phone, seconds=0.3)
                facts = await done(events)
                assert (facts["cause"], facts["code"]) == ("failed", 12400)

    run(scenario())


def test_a_recogniser_that_was_away_for_a_moment_is_asked_again() -> None:
    async def scenario() -> None:
        with Origin(in_turn([RESET], [RESET], understood("back"))) as origin:
            async with voice_node() as (_, client, events):
                phone = await quiet_phone(client)
                await listen(client, origin)
                await say(phone, seconds=0.3)
                assert (await done(events))["text"] == "back"

    run(scenario())


@pytest.mark.parametrize("script", [[HANG], [RESET]])
def test_a_recogniser_that_is_down_or_slow_is_not_waited_for(
    script: list[Step], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "_SECONDS", 1.0)

    async def scenario() -> None:
        with Origin(lambda _: script) as origin:
            async with voice_node() as (_, client, events):
                phone = await quiet_phone(client)
                await listen(client, origin)
                await say(phone, seconds=0.3)
                facts = await done(events)
                assert (facts["cause"], facts["code"]) == ("failed", 12400)
                assert facts["message"]

    run(scenario())


@pytest.mark.parametrize("when", ["before", "speaking", "recognising"])
@pytest.mark.parametrize("how", ["stopped", "hangup"])
def test_it_ends_at_any_time_once(when: str, how: str) -> None:
    async def scenario() -> None:
        with Origin(lambda _: [HANG]) as origin:
            async with voice_node() as (node, client, events):
                phone = await quiet_phone(client)
                await listen(client, origin)
                if when != "before":
                    phone.frames = tone_frames(600)
                    await events.wait("speech.started", "A")
                if when == "recognising":
                    phone.frames = [SILENT]
                    await requests(origin, 1)
                if how == "stopped":
                    await client.request("leg.listen_stop", leg="A", listen="L1")
                    await client.request("leg.listen_stop", leg="A", listen="L1")
                else:
                    await client.request("leg.close", leg="A")
                    await client.request("leg.listen_stop", leg="A", listen="L1")
                facts = await done(events)
                assert facts == {"listen": "L1", "text": "", "confidence": 0.0, "cause": how}
                if how == "hangup":
                    await events.wait("leg.closed", "A")
                    types = [event.type for event in events.all]
                    assert types.index("speech.done") < types.index("leg.closed")
                assert node.stats()["listening"] == 0
                assert len(events.of("speech.done")) == 1

    run(scenario())


def test_a_second_listen_takes_the_place_of_the_first() -> None:
    """And the same one again changes nothing."""

    async def scenario() -> None:
        with Origin(lambda _: understood("yes")) as origin:
            async with voice_node() as (node, client, events):
                phone = await quiet_phone(client)
                await listen(client, origin, "L1")
                await listen(client, origin, "L2")
                await listen(client, origin, "L2")
                await client.request("leg.listen_stop", leg="A", listen="L1")
                assert (await done(events))["cause"] == "stopped"
                await say(phone, seconds=0.3)
                found = await done(events, 2)
                assert (found["listen"], found["text"]) == ("L2", "yes")
                await until(lambda: node._board._legs["A"].listeners == ())

    run(scenario())


@pytest.mark.parametrize(
    "wrong",
    [{"silence": -1}, {"longest": 0}, {"longest": 61}, {"url": "ftp://a/b"}, {"partial": 1}, {"listen": ""}],
)
def test_wrong_fields_are_refused(wrong: dict[str, Any]) -> None:
    async def scenario() -> None:
        async with voice_node() as (_, client, _events):
            await phone_leg(client, "A", 600)
            fields = {"listen": "L1", "url": "http://media/", "silence": 300, "longest": 5, **wrong}
            with pytest.raises(VoiceError, match="bad_request"):
                await client.request("leg.listen", leg="A", **fields)

    run(scenario())


# -- the pure parts ----------------------------------------------------------------


def tone(decibels: float, count: int) -> list[bytes]:
    wave = np.sin(2 * np.pi * 440 * np.arange(160 * count) / RATE) * 32_767 * 10 ** (decibels / 20)
    sound = g711.encode(wave)
    return [sound[start : start + 160] for start in range(0, len(sound), 160)]


def street(decibels: float, count: int) -> list[bytes]:
    """Noise, the same every time; decibels of full scale."""
    samples = np.random.default_rng(7).normal(size=160 * count) * 32_767 * 10 ** (decibels / 20)
    sound = g711.encode(samples)
    return [sound[start : start + 160] for start in range(0, len(sound), 160)]


def heard(frames: Iterable[bytes]) -> list[bool]:
    """For each frame whether there was sound until then."""
    detector, found = SpeechDetector(), []
    for frame in frames:
        detector.hear(frame)
        found.append(detector.heard)
    return found


@pytest.mark.parametrize(
    ("frames", "speech"),
    [
        (tone(-60, 100), False),
        (street(-45, 200), False),
        (street(-40, 200), False),
        ([*tone(-60, 10), *tone(-30, 10)], True),
        (tone(-10, 10), True),
    ],
)
def test_noise_is_no_speech(frames: list[bytes], speech: bool) -> None:
    assert heard(frames)[-1] is speech


def test_speech_is_heard_above_a_noisy_street() -> None:
    """-40 dB of noise, a voice of -18 dB: from its third frame on, and it ends although the noise does not."""
    noise, voice = street(-40, 100), tone(-18, 50)
    found = heard([*noise, *voice])
    assert found.index(True) - 100 in range(2, 5)
    utterance = Utterance(silence=40, longest=3000)
    stages = [utterance.hear(frame) for frame in [*noise, *voice, *noise]]
    assert stages.index(Stage.QUIET) in range(185, 200)


def test_a_noise_that_begins_is_taken_for_background_in_the_end() -> None:
    """A fan that is switched on must not keep a listen open until its longest."""
    utterance = Utterance(silence=50, longest=3000)
    stages = [utterance.hear(frame) for frame in [*[SILENT] * 50, *tone(-60, 50), *street(-35, 1000)]]
    assert Stage.SPEAKING in stages
    assert Stage.QUIET in stages


def test_missing_packets_teach_nothing() -> None:
    """Noise, a hole in it, noise again: nobody speaks."""
    assert not any(heard([*street(-40, 100), *[SILENT] * 50, *street(-40, 100)]))


FRAMES = st.lists(st.sampled_from(["loud", "quiet", "missing"]), max_size=200)
LOUD, QUIET = tone(-12, 1)[0], tone(-60, 1)[0]


@unhurried
@given(FRAMES, st.integers(1, 60), st.integers(1, 60))
def test_whatever_is_heard_memory_is_bounded_and_the_end_is_final(
    kinds: list[str], silence: int, longest: int
) -> None:
    utterance, ended = Utterance(silence=silence, longest=longest), None
    for kind in kinds:
        stage = utterance.hear({"loud": LOUD, "quiet": QUIET, "missing": SILENT}[kind])
        assert ended in (None, stage)
        ended = stage if stage in (Stage.QUIET, Stage.LONG) else None
        assert utterance.frames <= longest
        assert len(utterance.audio()) <= (25 + longest) * 160
    if utterance.stage is Stage.WAITING:
        assert utterance.audio() == b""


def test_soft_beginnings_are_kept_and_long_silences_are_not() -> None:
    before, voice = tone(-60, 40), tone(-12, 20)
    utterance = Utterance(silence=150, longest=3000)
    for frame in [*before, *voice, *[SILENT] * 150]:
        utterance.hear(frame)
    assert utterance.stage is Stage.QUIET
    assert utterance.audio() == b"".join([*before[-22:], *voice, *[SILENT] * 25])

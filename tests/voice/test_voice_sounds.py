"""Sounds by URL, on real sockets: counted frame by frame at the far end, fetched from a scripted service."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import numpy as np
import pytest
from voice_media_stub import CREDENTIALS, answer, fault, in_turn, ulaw
from voice_peers import Browser, Events, Phone, run, until, voice_node

from callrouter.voice.client import VoiceClient, VoiceError
from callrouter.voice.media import dtmf, g711, tones
from callrouter.voice.media.voices import Frame, sound
from tests.support.origin import HANG, Origin, Script, drip

SILENT = b"\xff" * 160
ONE, HALF, SHORT, OTHER = ulaw(700, 1.0), ulaw(1100, 0.5), ulaw(800, 0.1), ulaw(900, 0.1)
KEEP = "Cache-Control: private, max-age=60"


async def phone_leg(client: VoiceClient, leg: str = "A", **sdp: str) -> Phone:
    """A phone that only listens."""
    phone = await Phone.open(600)
    phone.call((await client.request("leg.create", leg=leg, kind="rtp", sdp=phone.sdp(**sdp)))["sdp"])
    phone.hush()
    return phone


async def play(client: VoiceClient, job: str, leg: str = "A", **what: Any) -> None:
    assert await client.request("leg.play", leg=leg, request_id=job, **what) == {"job": job}


def heard(phone: Phone) -> bytes:
    """Everything but silence, in order."""
    return b"".join(packet.payload for packet in phone.received if packet.payload != SILENT)


def reasons(events: Events) -> list[tuple[str, str]]:
    return [(event.data["job"], event.data["reason"]) for event in events.of("job.done")]


def test_a_sound_is_played_whole_and_once() -> None:
    """1.0 s is 50 packets, byte for byte, in one unbroken stream; the token of our own services goes along."""

    async def scenario() -> None:
        with Origin({"/one": answer(200, ONE)}) as origin:
            async with voice_node(media_credentials=lambda: CREDENTIALS) as (_, client, events):
                phone = await phone_leg(client)
                await play(client, "job-1", url=origin.url("/one"))
                done = await events.wait("job.done", "A")
                assert done.data == {"job": "job-1", "kind": "sound", "reason": "finished"}
                await until(lambda: len(heard(phone)) >= len(ONE))
                assert heard(phone) == ONE
                numbers = [packet.sequence for packet in phone.received]
                assert {(b - a) & 0xFFFF for a, b in itertools.pairwise(numbers)} == {1}
                assert origin.received[0].headers["authorization"] == CREDENTIALS["Authorization"]

    run(scenario())


def test_a_browser_hears_a_sound() -> None:
    async def scenario() -> None:
        with Origin({"/one": answer(200, ONE)}) as origin:
            async with voice_node() as (_, client, events):
                browser = Browser(400)
                made = await client.request("leg.create", leg="A", kind="webrtc", sdp=await browser.offer())
                await browser.take(made["sdp"])
                await events.wait("leg.up", "A")
                await play(client, "job-1", url=origin.url("/one"), loop=0)
                await browser.hears(700)
                await browser.close()

    run(scenario())


def test_sounds_keys_and_tones_wait_for_each_other() -> None:
    """A sound that is slow to come is not overtaken; a part of a frame is filled with silence."""
    odd = HALF + HALF[:100]

    async def scenario() -> None:
        with Origin({"/slow": [0.3, *answer(200, ONE)], "/odd": answer(200, odd)}) as origin:
            async with voice_node() as (_, client, events):
                phone = await phone_leg(client)
                await play(client, "job-1", url=origin.url("/slow"))
                await play(client, "job-2", url=origin.url("/odd"), loop=2)
                await play(client, "job-3", keys="5")
                await events.wait("job.done", "A", 3)
                assert reasons(events) == [(f"job-{number}", "finished") for number in (1, 2, 3)]
                key = b"".join(tones.frames(tones.keypad("5", dtmf.TONE_FRAMES * 0.02)))
                padded = odd + b"\xff" * 60
                await until(lambda: len(heard(phone)) >= len(ONE + padded + padded + key))
                assert heard(phone) == ONE + padded + padded + key
                assert {packet.payload_type for packet in phone.received} == {0}, "keys are tones, not events"

    run(scenario())


def test_keys_are_the_two_frequencies_of_the_key() -> None:
    async def scenario() -> None:
        async with voice_node() as (_, client, events):
            phone = await phone_leg(client)
            await play(client, "job-1", keys="w1")
            assert (await events.wait("job.done", "A")).data["kind"] == "keys"
            await until(lambda: len(heard(phone)) >= 960)
            samples = g711.decode(heard(phone)[:960])
            strength = np.abs(np.fft.rfft(samples * np.hanning(960)))
            assert set(np.argsort(strength)[-2:] * 8000 / 960) <= {700.0, 1208.3333333333333}

    run(scenario())


def test_for_ever_until_stopped() -> None:
    """StopSounds: what plays and what waits ends, once each; the line stays open."""

    async def scenario() -> None:
        with Origin({"/half": answer(200, HALF)}) as origin:
            async with voice_node() as (_, client, events):
                phone = await phone_leg(client)
                await play(client, "job-1", url=origin.url("/half"), loop=0)
                await play(client, "job-2", url=origin.url("/half"))
                await until(lambda: len(heard(phone)) > 2 * len(HALF))
                assert heard(phone).startswith(HALF + HALF)
                await client.request("leg.stop", leg="A")
                await events.wait("job.done", "A", 2)
                assert reasons(events) == [("job-1", "stopped"), ("job-2", "stopped")]
                await until(lambda: phone.received[-1].payload == SILENT)
                await play(client, "job-3", url=origin.url("/half"), loop=0)
                await client.request("leg.close", leg="A")
                assert (await events.wait("job.done", "A", 3)).data["reason"] == "closed"

    run(scenario())


def test_ringback_gives_way_to_what_is_said_next() -> None:
    """After a `<Dial>` that nobody answered the document goes on; a beep is heard to its end."""

    async def scenario() -> None:
        with Origin({"/short": answer(200, SHORT)}) as origin:
            async with voice_node() as (_, client, events):
                await phone_leg(client)
                await play(client, "job-1", tone="ringback")
                await play(client, "job-2", url=origin.url("/short"))
                await events.wait("job.done", "A", 2)
                await play(client, "job-3", tone="beep")
                await play(client, "job-4", keys="5")
                await events.wait("job.done", "A", 4)
                assert reasons(events) == [
                    ("job-1", "stopped"),
                    *((f"job-{number}", "finished") for number in (2, 3, 4)),
                ]

    run(scenario())


def test_one_fetch_for_all_legs_and_none_while_it_is_fresh() -> None:
    """MD-5 in the node: concurrent legs share a fetch, later ones the memory."""

    async def scenario() -> None:
        with Origin({"/one": [0.2, *answer(200, ONE, KEEP, 'ETag: "1"')]}) as origin:
            async with voice_node() as (node, client, events):
                for number in range(6):
                    await phone_leg(client, f"L{number}")
                    await play(client, f"job-{number}", f"L{number}", url=origin.url("/one"))
                await events.wait("job.done", count=6)
                await play(client, "again", "L0", url=origin.url("/one"))
                await events.wait("job.done", count=7)
                assert {reason for _, reason in reasons(events)} == {"finished"}
                assert len(origin.received) == 1
                assert node.stats()["sound_bytes"] == len(ONE)

    run(scenario())


@pytest.mark.parametrize(
    ("lines", "conditional"),
    [
        (('ETag: "1"',), '"1"'),
        (('ETag: "1"', "Cache-Control: max-age=0"), '"1"'),
        (('ETag: "1"', "Cache-Control: no-cache, max-age=60"), '"1"'),
        (('ETag: "1"', "Cache-Control: no-store"), None),
        (("Cache-Control: max-age=0",), None),
        ((), None),
    ],
)
def test_what_is_not_fresh_is_asked_for_again(lines: tuple[str, ...], conditional: str | None) -> None:
    """By its ETag if it has one; "not modified" plays what we have, a new sound is played instead."""

    async def scenario() -> None:
        second = answer(304, b"", *lines[1:]) if conditional else answer(200, SHORT, *lines)
        script = in_turn(answer(200, SHORT, *lines), second, answer(200, OTHER))
        with Origin({"/one": script}) as origin:
            async with voice_node() as (_, client, events):
                phone = await phone_leg(client)
                for number in (1, 2, 3):
                    await play(client, f"job-{number}", url=origin.url("/one"))
                    await events.wait("job.done", "A", number)
                asked = [request.headers.get("if-none-match") for request in origin.received]
                assert asked == [None, conditional, conditional]
                await until(lambda: len(heard(phone)) >= len(SHORT + SHORT + OTHER))
                assert heard(phone) == SHORT + SHORT + OTHER

    run(scenario())


def test_the_memory_for_sounds_is_bounded() -> None:
    async def scenario() -> None:
        sounds = {f"/{number}": answer(200, ulaw(500 + number, 0.04), KEEP) for number in range(4)}
        with Origin({**sounds, "/large": answer(200, SHORT, KEEP)}) as origin:
            async with voice_node(sound_room=700) as (node, client, events):
                await phone_leg(client)
                for number, path in enumerate(["/0", "/1", "/0", "/2", "/0", "/1", "/large", "/large"], 1):
                    await play(client, f"job-{number}", url=origin.url(path))
                    await events.wait("job.done", "A", number)
                    assert node.stats()["sound_bytes"] <= 700
                assert origin.paths() == ["/0", "/1", "/2", "/1", "/large", "/large"], "the least used goes"

    run(scenario())


def not_audio(kind: str, body: bytes) -> Script:
    return answer(200, body, kind=kind)


@pytest.mark.parametrize(
    ("script", "code", "message"),
    [
        (fault(502, 11200, "The app's server is down."), 11200, "The app's server is down."),
        (fault(422, 12300, "That is not audio."), 12300, "That is not audio."),
        (fault(503, 20503, "No speech engine."), 20503, "No speech engine."),
        (answer(500, b"oops", kind="text/plain"), 12400, "The media service answered with status 500."),
        (answer(404, b'{"code": true, "message": ""}'), 12400, "The media service answered with status 404."),
        (answer(200, b"[" * 9000, kind="text/html"), 12400, "'text/html' in place of a sound"),
        (answer(302, b"", "Location: http://127.0.0.1:1/"), 12400, "answered with status 302"),
        ([HANG], 12400, "did not give the sound within 0.7 s"),
        ([answer(200, ONE)[0][:-1], 0.05, "close"], 12400, "did not answer"),
        (drip(answer(200, ONE)[0]), 12400, "did not give the sound within 0.7 s"),
    ],
    ids=["app", "not-audio", "no-engine", "ill", "no-code", "lying", "redirect", "hangs", "cut", "drips"],
)
def test_a_sound_that_cannot_be_had_is_reported_and_the_next_one_plays(
    script: Any, code: int, message: str
) -> None:
    """The app's fault by its code (MD-2); never a silence without end."""

    async def scenario() -> None:
        answers = {"/bad": (lambda request: list(script)) if isinstance(script, list) else script}
        with Origin({**answers, "/half": answer(200, HALF)}) as origin:
            async with voice_node(sound_timeout=0.7) as (_, client, events):
                phone = await phone_leg(client)
                await play(client, "job-1", url=origin.url("/bad"))
                await play(client, "job-2", url=origin.url("/half"))
                failed = (await events.wait("job.done", "A")).data
                assert (failed["job"], failed["reason"], failed["code"]) == ("job-1", "failed", code)
                assert message in failed["message"]
                await events.wait("job.done", "A", 2)
                await until(lambda: len(heard(phone)) >= len(HALF))
                assert heard(phone) == HALF

    run(scenario())


def test_a_service_that_is_just_starting_is_waited_for() -> None:
    """A connection that breaks before the answer is tried again."""

    async def scenario() -> None:
        with Origin({"/half": in_turn(["reset"], ["close"], answer(200, HALF))}) as origin:
            async with voice_node() as (_, client, events):
                await phone_leg(client)
                await play(client, "job-1", url=origin.url("/half"))
                assert (await events.wait("job.done", "A")).data["reason"] == "finished"
            gone = origin.url("/half")
        async with voice_node() as (_, client, events):
            await phone_leg(client)
            await play(client, "job-1", url=gone)
            failed = (await events.wait("job.done", "A")).data
            assert (failed["reason"], failed["code"]) == ("failed", 12400)
            assert "Connection refused" in failed["message"]

    run(scenario())


def test_a_fault_of_ours_fails_the_sound_only() -> None:
    def credentials() -> dict[str, str]:
        raise RuntimeError("no keys")

    async def scenario() -> None:
        async with voice_node(media_credentials=credentials) as (_, client, events):
            phone = await phone_leg(client)
            await play(client, "job-1", url="http://127.0.0.1:9/x")
            failed = (await events.wait("job.done", "A")).data
            assert (failed["code"], "its log has the reason" in failed["message"]) == (12400, True)
            count = len(phone.received)
            await until(lambda: len(phone.received) > count + 5)

    run(scenario())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "`tone`, `url` or `keys`"),
        ({"tone": "beep", "url": "http://127.0.0.1/x"}, "only one of them"),
        ({"url": "file:///etc/passwd"}, "an absolute http URL"),
        ({"url": "http://[::1"}, "an absolute http URL"),
        ({"url": "http://127.0.0.1/\r\nX: y"}, "an absolute http URL"),
        ({"url": "http://127.0.0.1:99999/"}, "an absolute http URL"),
        ({"url": "http://127.0.0.1/x", "loop": -1}, "`loop`, a whole number"),
        ({"url": "http://127.0.0.1/x", "loop": True}, "`loop`, a whole number"),
        ({"keys": "5x"}, "'x' is no key"),
        ({"keys": "5" * 129}, "at most 128"),
    ],
)
def test_bad_orders_are_refused(fields: dict[str, Any], message: str) -> None:
    async def scenario() -> None:
        async with voice_node() as (_, client, _events):
            await phone_leg(client)
            with pytest.raises(VoiceError, match=message) as caught:
                await client.request("leg.play", leg="A", **fields)
            assert caught.value.code == "bad_request"

    run(scenario())


def test_jobs_of_a_leg_are_bounded() -> None:
    async def scenario() -> None:
        with Origin({"/x": [HANG]}) as origin:
            async with voice_node() as (_, client, _events):
                await phone_leg(client)
                for number in range(16):
                    await play(client, f"job-{number}", url=origin.url("/x"))
                with pytest.raises(VoiceError, match="too many jobs"):
                    await client.request("leg.play", leg="A", url=origin.url("/x"))
                await until(lambda: origin.received)
                await asyncio.sleep(0.1)  # in which another request would come
                assert len(origin.received) == 1

    run(scenario())


@pytest.mark.parametrize("loop", [0, 1, 3])
def test_an_empty_sound_ends_at_once(loop: int) -> None:
    assert list(sound(lambda: b"", loop)) == []


def test_silence_while_a_sound_is_on_its_way() -> None:
    parts = iter([None, None, b"\x01" * 161])
    kept: list[bytes] = []

    def loading() -> bytes | None:
        found = next(parts)
        kept.extend([found] if found else [])
        return found

    frames = list(sound(loading, 1))
    assert frames == [
        Frame(payload=part) for part in (SILENT, SILENT, b"\x01" * 160, b"\x01" + b"\xff" * 159)
    ]

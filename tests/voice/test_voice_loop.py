"""Loop legs, echoes and the ringing of each country: judged by who hears what."""

from __future__ import annotations

import asyncio
from string import ascii_lowercase
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_voice_phone_leg import phone_leg, press
from test_voice_recording_tracks import strength, tones_in
from voice_media_stub import RATE, answer, measured, record, ulaw
from voice_peers import Phone, run, tone_frames, unhurried, until, voice_node

from callrouter.voice.client import VoiceClient, VoiceError
from callrouter.voice.echo import Echo
from callrouter.voice.media import g711, tones
from callrouter.voice.media.packet import RtpPacket
from callrouter.voice.media.ringback import RINGBACKS
from instructions.attributes import table
from instructions.verbs.dial import Dial
from tests.support.origin import Origin, Received, Script

SILENT = b"\xff" * 160


async def loop_leg(client: VoiceClient, leg: str = "L") -> None:
    assert await client.request("leg.create", leg=leg, kind="loop") == {"sdp": ""}


async def bridge(client: VoiceClient, *legs: str) -> None:
    await client.request("bridge.make", legs=list(legs))


def serving(sound: bytes) -> Any:
    def service(request: Received) -> Script:
        return answer(200, sound) if request.path == "/sound" else measured(request)

    return service


def heard(phone: Phone) -> bytes:
    """Everything but silence, in order."""
    return b"".join(packet.payload for packet in phone.received if packet.payload != SILENT)


async def deaf(phone: Phone) -> None:
    """Until it has heard nothing for half a second, while packets go on."""

    def silent() -> bool:
        last = phone.received[-25:]
        return len(last) == 25 and all(packet.payload == SILENT for packet in last)

    await until(silent)


# -- loop legs -----------------------------------------------------------------------


def test_what_its_jobs_say_is_heard_by_its_peer() -> None:
    """Byte for byte; and silence before and after, so that the peer's line stays open."""
    sound = ulaw(700, 0.5)

    async def scenario() -> None:
        with Origin(serving(sound)) as origin:
            async with voice_node() as (_, client, events):
                phone = await phone_leg(client, "A", 600)
                await loop_leg(client)
                assert (await events.wait("leg.up", "L")).data == {"kind": "loop"}
                await bridge(client, "A", "L")
                await deaf(phone)
                await client.request("leg.play", leg="L", url=origin.url("/sound"), request_id="job-1")
                done = await events.wait("job.done", "L")
                assert done.data == {"job": "job-1", "kind": "sound", "reason": "finished"}
                await deaf(phone)
                assert heard(phone) == sound
                assert not events.of("leg.dtmf")

    run(scenario())


def test_what_its_peer_says_is_its_far_end() -> None:
    """A recording of both tracks: the peer on the first channel, the leg's own sound on the second."""
    sound = ulaw(900, 1.0)

    async def scenario() -> None:
        with Origin(serving(sound)) as origin:
            async with voice_node() as (_, client, events):
                phone = await phone_leg(client, "A", 600)
                await loop_leg(client)
                await bridge(client, "A", "L")
                await deaf(phone)
                await client.request("leg.play", leg="L", url=origin.url("/sound"), loop=0)
                await phone.hears(900)
                await record(client, origin, leg="L", track="both", channels=2, max_length=1)
                assert (await events.wait("recording.done", "L")).data["cause"] == "length"
                body = next(each.body for each in origin.received if each.method == "PUT")
                assert tones_in(body[2000::2], 600, 900) == [True, False]
                assert tones_in(body[2001::2], 600, 900) == [False, True]

    run(scenario())


def test_keys_of_its_peer_reach_it_also_while_it_speaks() -> None:
    """A phone's keys travel in the audio; a browser's come as `leg.send_digits`. Each is told once."""

    async def scenario() -> None:
        async with voice_node() as (_, client, events):
            phone = await phone_leg(client, "A", 600)
            phone.hush()
            await loop_leg(client)
            await bridge(client, "A", "L")
            await client.request("leg.play", leg="L", tone="busy")
            await until(lambda: heard(phone))
            press(phone, "5")
            await events.wait("leg.dtmf", "L")
            before = len(phone.received)
            await client.request("leg.send_digits", leg="L", digits="12", request_id="job-1")
            assert (await events.wait("job.done", "L")).data["kind"] == "digits"
            assert [event.data["digit"] for event in events.of("leg.dtmf", "L")] == ["5", "1", "2"]
            assert [event.data["digit"] for event in events.of("leg.dtmf", "A")] == ["5"]
            assert {packet.payload_type for packet in phone.received[before:]} == {0}

    run(scenario())


def test_its_program_may_dial_somebody() -> None:
    """A second bridge takes the inner side: both phones hear each other through it, keys too; then the first again."""

    async def scenario() -> None:
        async with voice_node() as (_, client, events):
            one, other = await phone_leg(client, "A", 600), await phone_leg(client, "B", 900)
            await loop_leg(client)
            await bridge(client, "A", "L")
            await bridge(client, "L", "B")
            await bridge(client, "L", "B")
            await bridge(client, "A", "L")
            await one.hears(900)
            await other.hears(600)
            stats = await client.request("leg.stats", leg="L")
            assert (stats["bridged_to"], stats["far_end"]) == ("B", "A")
            assert (await client.request("node.stats"))["bridged"] == 3
            press(other, "7")
            await until(lambda: {packet.payload_type for packet in one.received} == {0, 101})
            await client.request("leg.close", leg="B")
            await deaf(one)
            await client.request("leg.play", leg="L", tone="busy")
            await until(lambda: heard(one)[-160:] and one.received[-1].payload != SILENT)
            assert [event.leg for event in events.of("leg.dtmf")] == ["B"]

    run(scenario())


def test_its_program_may_join_a_conference() -> None:
    async def scenario() -> None:
        async with voice_node() as (_, client, _events):
            one, other = await phone_leg(client, "A", 600), await phone_leg(client, "B", 900)
            await loop_leg(client)
            await bridge(client, "A", "L")
            await client.request("room.join", leg="L", room="R")
            await client.request("room.join", leg="B", room="R")
            await one.hears(900)
            await other.hears(600)

    run(scenario())


def test_parted_or_closed_it_leaves_the_others_in_silence() -> None:
    async def scenario() -> None:
        async with voice_node() as (node, client, events):
            one, other = await phone_leg(client, "A", 600), await phone_leg(client, "B", 900)
            await loop_leg(client)
            await bridge(client, "A", "L")
            await bridge(client, "L", "B")
            await one.hears(900)
            await client.request("bridge.break", leg="L")
            await deaf(one)
            await deaf(other)
            assert (await client.request("leg.stats", leg="L"))["far_end"] == "A", "the inner side went first"
            await client.request("bridge.break", legs=["A", "L"])
            assert (await client.request("leg.stats", leg="L"))["far_end"] is None
            await bridge(client, "A", "L")
            await bridge(client, "L", "B")
            await one.hears(900)
            await client.request("leg.close", leg="L")
            await events.wait("leg.closed", "L")
            await deaf(one)
            await deaf(other)
            assert node.stats()["legs"] == node.stats()["ticking"] == 2

    run(scenario())


def test_legs_in_a_ring_harm_nobody() -> None:
    """Two loops bridged both ways: a sound goes round once."""

    async def scenario() -> None:
        async with voice_node() as (node, client, events):
            phone = await phone_leg(client, "A", 600)
            for leg in ("L", "M"):
                await loop_leg(client, leg)
            await bridge(client, "L", "M")
            await bridge(client, "M", "L")
            await bridge(client, "L", "A")
            await bridge(client, "M", "L")
            for leg in ("L", "M"):
                await client.request("leg.play", leg=leg, keys="1")
            await events.wait("job.done", count=2)
            assert await client.request("ping") == {}
            await until(lambda: len(phone.received) > 5)
            assert node.stats()["legs"] == 3

    run(scenario())


def test_a_quiet_loop_is_not_missed() -> None:
    """Its peer is watched, not the wire."""

    async def scenario() -> None:
        async with voice_node(media_timeout=0.3) as (_, client, events):
            phone = await phone_leg(client, "A", 600)
            await loop_leg(client)
            await bridge(client, "A", "L")
            await phone_gone(phone, events)
            assert not events.of("leg.media_timeout", "L")

    async def phone_gone(phone: Phone, events: Any) -> None:
        phone.hush()
        await events.wait("leg.media_timeout", "A")
        await asyncio.sleep(0.5)

    run(scenario())


def test_it_takes_no_sdp() -> None:
    async def scenario() -> None:
        async with voice_node() as (_, client, _events):
            phone = await Phone.open(600)
            with pytest.raises(VoiceError, match="bad_sdp"):
                await client.request("leg.create", leg="L", kind="loop", sdp=phone.sdp())
            await loop_leg(client)
            await loop_leg(client)
            for command in ("leg.accept", "leg.restart"):
                with pytest.raises(VoiceError, match="bad_sdp"):
                    await client.request(command, leg="L", sdp=phone.sdp())
            with pytest.raises(VoiceError, match="loop"):
                await client.request("leg.create", leg="X", kind="lop")

    run(scenario())


# -- echo ------------------------------------------------------------------------------


WORDS = [bytes([level]) * 80 + bytes([level | 0x80]) * 80 for level in range(20, 80)]


def word(number: int) -> RtpPacket:
    return RtpPacket(0, False, number, number * 160, 7, WORDS[number])


@unhurried
@given(st.lists(st.booleans(), min_size=29, max_size=29), st.floats(0, 0.0189))
def test_an_echo_repeats_everything_60_ms_later(swapped: list[bool], phase: float) -> None:
    """Also packets that overtake each other within that time."""
    pairs = [
        (2 * pair + 3, 2 * pair + 2) if swap else (2 * pair + 2, 2 * pair + 3)
        for pair, swap in enumerate(swapped)
    ]
    order = [0, 1, *(number for pair in pairs for number in pair)]
    echo, said = Echo(0.0), b""
    for tick, number in enumerate(order):
        echo.hear(word(number), tick * 0.02 + phase)
        said += echo.frame((tick + 1) * 0.02)
    expected = SILENT * 3 + b"\xff" * int(phase * RATE) + b"".join(WORDS)
    assert said == expected[: len(said)]


def test_an_echo_does_not_stay_late_after_a_job() -> None:
    """The job took 20 frames, in which nobody asked for the echo."""
    echo = Echo(0.0)
    for tick in range(40):
        echo.hear(word(tick), tick * 0.02)
        if not 10 <= tick < 30:
            found = echo.frame((tick + 1) * 0.02)
    assert found == WORDS[36]


def test_an_echo_is_heard_until_it_is_switched_off() -> None:
    """A digit is not repeated."""

    async def scenario() -> None:
        async with voice_node() as (_, client, events):
            phone = await phone_leg(client, "A", 600)
            await client.request("leg.echo", leg="A", on=True)
            await client.request("leg.echo", leg="A", on=True)
            await phone.hears(600)
            press(phone, "3")
            await events.wait("leg.dtmf", "A")
            phone.frames = [SILENT]
            await deaf(phone)
            phone.frames = tone_frames(800)
            await phone.hears(800)
            await client.request("leg.echo", leg="A", on=False)
            await client.request("leg.echo", leg="A", on=False)
            await deaf(phone)
            assert {packet.payload_type for packet in phone.received} == {0}

    run(scenario())


def test_own_sounds_go_before_an_echo_and_a_bridge_ends_it() -> None:
    async def scenario() -> None:
        async with voice_node() as (node, client, _events):
            one, other = await phone_leg(client, "A", 600), await phone_leg(client, "B", 900)
            await bridge(client, "A", "B")
            await client.request("leg.echo", leg="A", on=True)
            await one.hears(600)
            await deaf(other)
            await client.request("leg.play", leg="A", tone="beep")
            await one.hears(1000)
            await one.hears(600)
            await bridge(client, "A", "B")
            await one.hears(900)
            await client.request("bridge.break", leg="A")
            await deaf(one)
            assert node._board._legs["A"].listeners == ()

    run(scenario())


def test_a_loop_with_an_echo_lets_its_peer_hear_itself() -> None:
    async def scenario() -> None:
        async with voice_node() as (_, client, _events):
            phone = await phone_leg(client, "A", 600)
            await loop_leg(client)
            await bridge(client, "A", "L")
            await client.request("leg.echo", leg="L", on=True)
            await phone.hears(600)

    run(scenario())


@pytest.mark.parametrize("fields", [{}, {"on": 1}, {"on": "true"}])
def test_an_echo_is_on_or_off(fields: dict[str, Any]) -> None:
    async def scenario() -> None:
        async with voice_node() as (_, client, _events):
            await phone_leg(client, "A", 600)
            with pytest.raises(VoiceError, match="bad_request"):
                await client.request("leg.echo", leg="A", **fields)

    run(scenario())


# -- the ringing of countries ------------------------------------------------------------


def allowed(country: str) -> bool:
    """Whether `<Dial ringTone>` takes it."""
    (row,) = [row for row in table(Dial) if row.name == "ringTone"]
    try:
        return bool(row.kind.read(country))
    except ValueError:
        return False


def test_each_country_of_dial_has_its_ringing_and_no_other_has() -> None:
    letters = (first + second for first in ascii_lowercase for second in ascii_lowercase)
    assert set(filter(allowed, [*letters, "us-old"])) == set(RINGBACKS)


@pytest.mark.parametrize("country", sorted(RINGBACKS))
def test_the_ringing_of_a_country_by_signal(country: str) -> None:
    """The frequencies alone, together or swinging, in the cadence of the table; ITU-T E.180 Supplement 2."""
    found = RINGBACKS[country]
    sound = b"".join(tones.frames(tones.TONES[f"ringback-{country}"]))
    rings = [found.on, found.gap, found.on, found.off] if found.gap else [found.on, found.off]
    assert len(sound) == round(sum(rings) * RATE)
    at = 0
    for number, seconds in enumerate(rings):
        part = sound[at : at + round(seconds * RATE)]
        at += len(part)
        if number % 2:
            assert set(part) == {0xFF}
            continue
        samples = g711.decode(part[:RATE]).astype(float)
        spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), RATE))
        carrier, _, swing = found.sound.partition("*")
        expected = {int(hz) for hz in carrier.split("+")}
        if swing:
            expected |= {int(carrier) - int(swing), int(carrier) + int(swing)}
        width = round(3 * RATE / len(samples))
        near = {hz + off for hz in expected for off in range(-width, width + 1)}
        peak = spectrum.max()
        assert all(spectrum[hz] > 0.3 * peak for hz in expected), country
        assert max(level for hz, level in enumerate(spectrum) if hz not in near) < 0.1 * peak, country


def test_a_phone_hears_the_ringing_of_its_country_until_it_is_bridged() -> None:
    async def scenario() -> None:
        async with voice_node() as (_, client, events):
            phone = await phone_leg(client, "A", 600)
            await phone_leg(client, "B", 900)
            await client.request("leg.play", leg="A", tone="ringback-fr")
            await until(lambda: len(heard(phone)) >= RATE)
            assert strength(heard(phone)[:RATE], 440) > 0.3
            with pytest.raises(VoiceError, match="no tone 'ringback-xx'"):
                await client.request("leg.play", leg="A", tone="ringback-xx")
            await bridge(client, "A", "B")
            assert (await events.wait("job.done", "A")).data["reason"] == "bridged"
            await phone.hears(900)

    run(scenario())

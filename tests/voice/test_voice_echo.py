"""Echoes: everything said is heard again, a little later."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_voice_phone_leg import phone_leg, press
from voice_loops import SILENT, bridge, deaf, loop_leg
from voice_media_stub import RATE
from voice_peers import run, tone_frames, unhurried, voice_node

from callrouter.voice.client import VoiceError
from callrouter.voice.echo import Echo
from callrouter.voice.media.packet import RtpPacket

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

"""Far ends in a room that say a tone each, judged by the tones that they hear."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from test_voice_phone_leg import phone_leg
from voice_peers import Browser, Phone, until

from callrouter.voice.client import VoiceClient
from callrouter.voice.media import g711
from callrouter.voice.media.g711 import PCMA_TO_PCMU

A, B, C, BEEP, OTHER = 600, 900, 1300, 1000, 2100
ALL = (A, B, C, BEEP, OTHER)
LOUD = 500.0
"""Of a tone of amplitude 8000, of which half a second is heard; below it is what windows leak."""


def tones(sound: np.ndarray, rate: int = 8000) -> set[int]:
    """Which of the tones are in it."""
    wave = sound.astype(np.float64) * np.hanning(len(sound))
    time = np.arange(len(sound)) / rate
    strength = {hertz: abs(np.exp(-2j * np.pi * hertz * time) @ wave) / len(sound) * 4 for hertz in ALL}
    return {hertz for hertz, found in strength.items() if found > LOUD}


async def hears(far: Phone | Browser, *expected: int, seconds: float = 8) -> None:
    """Until half a second of what it hears is exactly these tones."""

    def heard() -> bool:
        if isinstance(far, Browser):
            latest = far.heard[-25:]
            return len(latest) == 25 and tones(np.concatenate(latest), far.rate) == set(expected)
        audio = [packet.payload for packet in far.received[-25:] if packet.payload_type in (0, 8)]
        sound = b"".join(audio)
        if far.payload_type == 8:
            sound = sound.translate(PCMA_TO_PCMU)
        return len(audio) == 25 and tones(g711.decode(sound)) == set(expected)

    await until(heard, seconds)


async def join(client: VoiceClient, *legs: str, room: str = "R", **fields: Any) -> None:
    for leg in legs:
        assert await client.request("room.join", leg=leg, room=room, **fields) == {}


async def update(client: VoiceClient, leg: str, room: str = "R", **fields: Any) -> None:
    assert await client.request("room.update", leg=leg, room=room, **fields) == {}


async def three(client: VoiceClient) -> tuple[Phone, Phone, Phone]:
    """Three phones in one room."""
    phones = [await phone_leg(client, leg, hertz) for leg, hertz in zip("ABC", (A, B, C), strict=True)]
    await join(client, "A", "B", "C")
    return phones[0], phones[1], phones[2]


def unbroken(phone: Phone) -> None:
    """One packet per 20 ms, whatever was heard: neither loss nor jumps, but for a stall of the machine."""
    steps = {
        (b.sequence - a.sequence & 0xFFFF, b.ssrc == a.ssrc) for a, b in itertools.pairwise(phone.received)
    }
    assert steps == {(1, True)}
    stamps = [b.timestamp - a.timestamp & 0xFFFFFFFF for a, b in itertools.pairwise(phone.received)]
    assert all(0 < stamp <= 16_000 and stamp % 160 == 0 for stamp in stamps)
    assert stamps.count(160) > len(stamps) * 0.9

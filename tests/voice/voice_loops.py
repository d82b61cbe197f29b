"""Loop legs and bridges, and what a phone heard of them."""

from __future__ import annotations

from typing import Any

from voice_media_stub import answer, measured
from voice_peers import Phone, until

from callrouter.voice.client import VoiceClient
from tests.support.origin import Received, Script

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

"""The mix of a room is recorded."""

from __future__ import annotations

import asyncio
from typing import Any

from test_voice_phone_leg import phone_leg
from voice_media_stub import measured
from voice_peers import Events, run, voice_node
from voice_rooms import A, B, C, hears, join, three, tones, update

from callrouter.voice.client import VoiceClient
from callrouter.voice.media import g711
from tests.support.origin import Origin


async def record(client: VoiceClient, origin: Origin, **fields: Any) -> None:
    values = {"room": "R", "recording": "RE1", "upload": origin.url("/RE1"), "max_length": 60, **fields}
    assert await client.request("room.record", **values) == {"recording": "RE1"}


async def done(events: Events) -> dict[str, Any]:
    found = await events.wait("recording.done")
    assert found.leg == ""
    return dict(found.data)


def test_the_mix_is_recorded() -> None:
    """All voices that all hear: nobody's whisper, nobody's own announcement; asked twice, made once."""

    async def scenario() -> None:
        with Origin(measured) as origin:
            async with voice_node() as (_, client, events):
                one, _two, _three = await three(client)
                await hears(one, B, C)
                await record(client, origin, trim=True)
                await record(client, origin, trim=True)
                await update(client, "C", coach="A")
                await client.request("leg.play", leg="A", tone="busy")
                await asyncio.sleep(1.2)
                for _ in range(2):
                    await client.request("room.record_stop", room="R", recording="RE1")
                facts = await done(events)
                (request,) = origin.received
                seconds = int(len(request.body) / 8000 + 0.5)
                known = {"recording": "RE1", "cause": "stopped", "seconds": seconds, "silent": False}
                assert facts == {"room": "R", **known}
                assert request.target == "/RE1?channels=1&trim=1"
                assert tones(g711.decode(request.body[-8000:-800])) == {A, B}
                assert (await client.request("node.stats"))["recording"] == 0

    run(scenario())


def test_a_recording_ends_with_its_room() -> None:
    """What was said until then is stored; the time in which nobody spoke is part of it."""

    async def scenario() -> None:
        with Origin(measured) as origin:
            async with voice_node() as (_, client, events):
                one = await phone_leg(client, "A", A)
                await join(client, "A")
                one.hush()
                await record(client, origin)
                await asyncio.sleep(0.5)
                one.talk()
                await asyncio.sleep(0.7)
                await client.request("leg.close", leg="A")
                facts = await done(events)
                assert (facts["cause"], facts["silent"]) == ("hangup", False)
                body = origin.received[0].body
                assert 1.1 <= len(body) / 8000 <= 2.5
                assert set(body[:2000]) == {0xFF}
                assert tones(g711.decode(body[-4000:])) == {A}
                await client.request("room.record_stop", room="R", recording="RE1")

    run(scenario())


def test_a_leg_and_a_room_of_the_same_name_do_not_share_a_recording() -> None:
    async def scenario() -> None:
        with Origin(measured) as origin:
            async with voice_node() as (_, client, events):
                await phone_leg(client, "R", A)
                await phone_leg(client, "B", B)
                await join(client, "B")
                await record(client, origin)
                await client.request(
                    "leg.record", leg="R", recording="RE1", upload=origin.url("/leg"), max_length=60
                )
                await asyncio.sleep(0.4)
                await client.request("leg.close", leg="R")
                first = await events.wait("recording.done")
                assert (first.leg, first.data["cause"]) == ("R", "hangup")
                await client.request("room.record_stop", room="R", recording="RE1")
                second = await events.wait("recording.done", count=2)
                assert (second.leg, second.data["room"], second.data["cause"]) == ("", "R", "stopped")

    run(scenario())

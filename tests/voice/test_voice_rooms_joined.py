"""Joining, leaving and ending rooms on real sockets, and what a leg was in before."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from test_voice_phone_leg import phone_leg
from voice_peers import Phone, run, voice_node
from voice_rooms import OTHER, A, B, C, hears, join, three, unbroken

from callrouter.voice.client import VoiceError


def test_a_leg_that_restarts_goes_on_in_its_room() -> None:
    """A re-INVITE from another device: other port, SSRC and numbers; both ways go on, nobody joins again."""

    async def scenario() -> None:
        async with voice_node() as (_, client, _events):
            one, two, three_ = await three(client)
            await hears(two, A, C)
            one.hush()
            await hears(two, C)
            other = await Phone.open(OTHER)
            other.ssrc, other.sequence, other.timestamp = 99, 5, 123_456
            made = await client.request("leg.restart", leg="A", sdp=other.sdp())
            other.call(made["sdp"])
            await asyncio.gather(hears(other, B, C), hears(two, OTHER, C), hears(three_, OTHER, B))

    run(scenario())


def test_a_leg_may_join_before_it_is_up() -> None:
    async def scenario() -> None:
        async with voice_node() as (_, client, _events):
            one, late = await phone_leg(client, "A", A), await Phone.open(B)
            offer = (await client.request("leg.create", leg="B", kind="rtp"))["sdp"]
            await join(client, "A", "B")
            await hears(one)
            await client.request("leg.accept", leg="B", sdp=late.sdp())
            late.call(offer)
            await asyncio.gather(hears(one, B), hears(late, A))

    run(scenario())


def test_bridge_and_room_exclude_each_other() -> None:
    """Whatever comes last counts: no leg hears two places."""

    async def scenario() -> None:
        async with voice_node() as (_, client, events):
            one, two, three_ = await three(client)
            await client.request("bridge.make", legs=["A", "B"])
            await asyncio.gather(hears(one, B), hears(two, A), hears(three_))
            await join(client, "A")
            await asyncio.gather(hears(one, C), hears(two), hears(three_, A))
            assert (await client.request("leg.stats", leg="B"))["bridged_to"] is None
            await join(client, "A", "B", room="S")
            await asyncio.gather(hears(one, B), hears(two, A), hears(three_))
            await client.request("room.leave", leg="A", room="R")
            await asyncio.gather(hears(one, B), hears(two, A))
            assert not events.of("leg.lost")

    run(scenario())


def test_a_dialled_program_takes_its_caller_into_a_room() -> None:
    """A loop leg in the room: who is bridged to it from outside hears the others, and is heard."""

    async def scenario() -> None:
        async with voice_node() as (_, client, _events):
            one, two, three_ = [
                await phone_leg(client, leg, hertz) for leg, hertz in zip("ABC", (A, B, C), strict=True)
            ]
            assert await client.request("leg.create", leg="L", kind="loop") == {"sdp": ""}
            await client.request("bridge.make", legs=["A", "L"])
            await join(client, "L", "B", "C")
            await asyncio.gather(hears(one, B, C), hears(two, A, C), hears(three_, A, B))
            await client.request("room.leave", leg="L", room="R")
            await asyncio.gather(hears(one), hears(two, C))

    run(scenario())


def test_the_echo_ends_where_the_room_begins() -> None:
    async def scenario() -> None:
        async with voice_node() as (_, client, _events):
            one, two = await phone_leg(client, "A", A), await phone_leg(client, "B", B)
            await client.request("leg.echo", leg="A", on=True)
            await hears(one, A)
            await join(client, "A", "B")
            await asyncio.gather(hears(one, B), hears(two, A))
            await client.request("leg.echo", leg="A", on=True)
            await asyncio.gather(hears(one, A), hears(two))
            assert (await client.request("leg.stats", leg="A"))["room"] is None
            assert (await client.request("leg.stats", leg="B"))["room"] == "R"

    run(scenario())


def test_ringback_ends_where_the_room_begins() -> None:
    async def scenario() -> None:
        async with voice_node() as (_, client, events):
            one = await phone_leg(client, "A", A)
            await phone_leg(client, "B", B)
            await client.request("leg.play", leg="A", tone="ringback", request_id="ring")
            await join(client, "B", "A")
            assert (await events.wait("job.done", "A")).data["reason"] == "bridged"
            await hears(one, B)

    run(scenario())


def test_the_last_one_out_ends_the_room() -> None:
    """By leaving, by its end, by the node's: nothing ticks on."""

    async def scenario() -> None:
        async with voice_node() as (node, client, _events):
            await three(client)
            await client.request("leg.close", leg="A")
            for _ in range(2):
                await client.request("room.leave", leg="B", room="R")
            assert node.stats()["rooms"] == 1
            await client.request("leg.close", leg="C")
            stats = node.stats()
            assert (stats["rooms"], stats["ticking"]) == (0, 1), "leg B alone makes its own silence"
            await client.request("room.leave", leg="gone", room="R")

    run(scenario())


@pytest.mark.parametrize(
    ("command", "fields", "message"),
    [
        ("room.join", {"leg": "A"}, "bad_request: room.join needs `room`"),
        ("room.join", {"leg": "A", "room": "a b"}, "bad_request: `room` is 1 to 64"),
        ("room.join", {"leg": "A", "room": "R", "coach": ""}, "bad_request: a leg id is"),
        ("room.join", {"leg": "A", "room": "R", "muted": 1}, "bad_request: room.join: `muted`"),
        ("room.join", {"leg": "X", "room": "R"}, "no_such_leg"),
        ("room.update", {"leg": "A", "room": "R"}, "not_in_room: leg A is not in room R"),
        ("room.update", {"leg": "X", "room": "R"}, "no_such_leg"),
        ("room.leave", {"leg": "A"}, "bad_request: room.leave needs `room`"),
        (
            "room.record",
            {"room": "R", "recording": "RE", "upload": "http://h/", "max_length": 9},
            "no_such_room",
        ),
        (
            "room.record",
            {"room": "R", "recording": "RE", "upload": "x", "max_length": 9},
            "absolute http URL",
        ),
        (
            "room.record",
            {"room": "R", "recording": "RE", "upload": "http://h/", "max_length": 0},
            "from 1 to",
        ),
    ],
)
def test_bad_orders_are_refused(command: str, fields: dict[str, Any], message: str) -> None:
    async def scenario() -> None:
        async with voice_node() as (node, client, _events):
            await phone_leg(client, "A", A)
            with pytest.raises(VoiceError, match=message):
                await client.request(command, **fields)
            assert node.stats()["rooms"] == 0

    run(scenario())


def test_joins_and_leaves_without_pause() -> None:
    """Legs that come, move, go and are closed under a room that talks: it goes on, and all ends as ordered."""

    async def scenario() -> None:
        async with voice_node() as (node, client, events):
            one, two, _three = await three(client)
            chance = random.Random(8)
            visitors = [f"V{number}" for number in range(6)]
            for leg in visitors:
                await phone_leg(client, leg, OTHER)

            async def storm(leg: str) -> None:
                for _ in range(40):
                    room = chance.choice(["R", "S"])
                    command = chance.choice(["room.join", "room.leave", "room.update"])
                    extra = {"beep": True, "speaker": True} if command == "room.join" else {}
                    try:
                        await client.request(command, leg=leg, room=room, **extra)
                    except VoiceError as error:
                        if error.code != "not_in_room":
                            raise
                await client.request("leg.close", leg=leg)

            await asyncio.gather(*map(storm, visitors))
            await asyncio.gather(hears(one, B, C), hears(two, A, C))
            assert (node.stats()["rooms"], node.stats()["legs"]) == (1, 3)
            unbroken(one)
            for leg in visitors:
                told = [event.data["speaking"] for event in events.of("room.speech", leg)]
                assert told == [True, False] * (len(told) // 2)

    run(scenario())

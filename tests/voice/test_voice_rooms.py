"""Rooms on real sockets: far ends that say a tone each, judged by the tones that they hear."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from test_voice_phone_leg import digits, phone_leg, press
from voice_media_stub import answer, ulaw
from voice_peers import Browser, Phone, run, until, voice_node
from voice_rooms import BEEP, OTHER, A, B, C, hears, join, three, tones, unbroken, update

from callrouter.voice.media import g711
from callrouter.voice.media.g711 import PCMU_TO_PCMA
from tests.support.origin import Origin


def test_three_hear_the_two_others_and_not_themselves() -> None:
    """A mu-law phone, an A-law phone and a browser; each one's stream is one, without a gap."""

    async def scenario() -> None:
        async with voice_node() as (_, client, events):
            one = await phone_leg(client, "A", A)
            two = await phone_leg(client, "B", B, formats="8 101")
            two.payload_type = 8
            two.frames = [frame.translate(PCMU_TO_PCMA) for frame in two.frames]
            browser = Browser(C)
            made = await client.request("leg.create", leg="C", kind="webrtc", sdp=await browser.offer())
            await browser.take(made["sdp"])
            await events.wait("leg.up", "C")
            await join(client, "A", "B", "C")
            await asyncio.gather(hears(one, B, C), hears(two, A, C), hears(browser, A, B))
            assert (await client.request("node.stats"))["rooms"] == 1
            unbroken(one)
            await browser.close()

    run(scenario())


def test_one_voice_alone_is_not_touched() -> None:
    """What only one says reaches the others byte for byte, frame by frame."""

    async def scenario() -> None:
        async with voice_node() as (_, client, _events):
            one, two, three_ = await three(client)
            two.hush()
            three_.hush()
            loud = [bytes([level]) * 160 for level in range(16, 100)]
            one.hush()
            await hears(two)
            await hears(three_)
            before = len(two.received), len(three_.received)
            for frame in loud:
                one.send(frame)
                await asyncio.sleep(0.02)
            for phone, start in zip((two, three_), before, strict=True):
                await hears(phone)
                heard = [p.payload for p in phone.received[start:] if p.payload != b"\xff" * 160]
                assert heard == sorted(heard)
                assert set(heard) <= set(loud)
                assert len(heard) > 0.8 * len(loud), "a stalled machine may lose some"
            assert not any(packet.payload in loud for packet in one.received)

    run(scenario())


def test_mute_hold_and_back() -> None:
    """Muted: hears, is not heard. On hold: neither, but what is played to it is heard by it, and by it alone."""

    async def scenario() -> None:
        with Origin({"/music": answer(200, ulaw(OTHER, 1.0))}) as origin:
            async with voice_node() as (_, client, _events):
                one, two, three_ = await three(client)
                await update(client, "A", muted=True)
                await asyncio.gather(hears(one, B, C), hears(two, C), hears(three_, B))
                await update(client, "A", hold=True)
                await client.request("leg.play", leg="A", url=origin.url("/music"), loop=0)
                await asyncio.gather(hears(one, OTHER), hears(two, C), hears(three_, B))
                await client.request("leg.stop", leg="A")
                await hears(one)
                await update(client, "A")
                await asyncio.gather(hears(one, B, C), hears(two, A, C), hears(three_, A, B))
                unbroken(one)

    run(scenario())


def test_own_jobs_go_before_the_mix() -> None:
    """An announcement to one: heard in place of the others, who go on hearing that one."""

    async def scenario() -> None:
        with Origin({"/words": answer(200, ulaw(OTHER, 1.2))}) as origin:
            async with voice_node() as (_, client, events):
                one, two, _three = await three(client)
                await hears(one, B, C)
                await client.request("leg.play", leg="A", url=origin.url("/words"))
                await asyncio.gather(hears(one, OTHER), hears(two, A, C))
                await events.wait("job.done", "A")
                await hears(one, B, C)
                unbroken(one)

    run(scenario())


def test_a_coach_is_heard_by_one() -> None:
    """The coach hears everybody; only the coached one hears the coach; then all of them do."""

    async def scenario() -> None:
        async with voice_node() as (_, client, _events):
            one, two, three_ = await three(client)
            await update(client, "A", coach="B")
            await asyncio.gather(hears(one, B, C), hears(two, A, C), hears(three_, B))
            await update(client, "A", coach="C", muted=True)
            await asyncio.gather(hears(one, B, C), hears(two, C), hears(three_, B))
            await update(client, "A")
            await asyncio.gather(hears(two, A, C), hears(three_, A, B))
            await client.request("room.leave", leg="A", room="R")
            await join(client, "A", coach="nobody")
            await asyncio.gather(hears(one, B, C), hears(two, C), hears(three_, B))

    run(scenario())


def test_a_third_of_the_packets_lost() -> None:
    """30 % of one leg's packets lost, some late and out of order: it is heard, and the others as before."""

    async def scenario() -> None:
        async with voice_node() as (_, client, _events):
            one, two, three_ = await three(client)
            await hears(two, A, C)
            chance, really, held = random.Random(30), one.transport.sendto, []

            class Lossy:
                def sendto(self, data: bytes, target: Any) -> None:
                    if chance.random() >= 0.3:
                        held.append(data)
                        if len(held) == 3:
                            chance.shuffle(held)
                            while held:
                                really(held.pop(), target)

                def __getattr__(self, name: str) -> Any:
                    return getattr(three_.transport, name)

            one.transport = Lossy()
            before = len(two.received)
            await until(lambda: len(two.received) > before + 60)
            sound = g711.decode(b"".join(packet.payload for packet in two.received[-50:]))
            assert {A, C} <= tones(sound)
            assert tones(g711.decode(b"".join(p.payload for p in one.received[-25:]))) == {B, C}
            lost = (await client.request("leg.stats", leg="A"))["packets_lost"]
            assert lost > 0, "nothing was lost: this test tests nothing"
            unbroken(two)

    run(scenario())


def test_digits_are_told_and_not_mixed() -> None:
    """RFC 4733 events of a member reach the router, and no other member."""

    async def scenario() -> None:
        async with voice_node() as (_, client, events):
            one, two, three_ = await three(client)
            await hears(two, A, C)
            one.hush()
            for key in "12#":
                press(one, key)
            one.talk()
            await events.wait("leg.dtmf", "A", 3)
            await hears(two, A, C)
            assert digits(events, "A") == "12#"
            assert {packet.payload_type for phone in (two, three_) for packet in phone.received} == {0}

    run(scenario())


def test_beeps_are_for_the_others() -> None:
    """On joining and on leaving; who causes it does not hear it."""

    async def scenario() -> None:
        async with voice_node() as (_, client, _events):
            one, two = await phone_leg(client, "A", A), await phone_leg(client, "B", B)
            one.hush()
            two.hush()
            await join(client, "A", beep=True)

            def beeped(phone: Phone) -> float:
                """Seconds of sound until now."""
                return sum(packet.payload != b"\xff" * 160 for packet in phone.received) * 0.02

            await join(client, "B", beep=True)
            await until(lambda: beeped(one) >= 0.2)
            await hears(one)
            await client.request("room.leave", leg="B", room="R", beep=True)
            await until(lambda: beeped(one) >= 0.4)
            await hears(one)
            sound = g711.decode(b"".join(p.payload for p in one.received if p.payload != b"\xff" * 160))
            assert tones(sound) == {BEEP}
            assert beeped(one) < 0.49
            assert beeped(two) == 0

    run(scenario())


def test_speech_is_told_where_it_was_asked_for() -> None:
    async def scenario() -> None:
        async with voice_node() as (_, client, events):
            one, _two, _three = await three(client)
            one.hush()
            await join(client, "A", "B", speaker=True)
            first = await events.wait("room.speech", "B")
            assert first.data == {"room": "R", "speaking": True}
            one.talk()
            assert (await events.wait("room.speech", "A")).data["speaking"] is True
            one.hush()
            assert (await events.wait("room.speech", "A", 2)).data["speaking"] is False
            await client.request("leg.close", leg="B")
            assert (await events.wait("room.speech", "B", 2)).data["speaking"] is False
            await events.wait("leg.closed", "B")
            assert not events.of("room.speech", "C")

    run(scenario())

"""Apps that are slow, wrong or hostile: their stream has the harm, and the calls go on."""

from __future__ import annotations

import asyncio
import random
import socket
from typing import Any

import pytest
from test_voice_phone_leg import phone_leg
from voice_peers import run, tone_frames, until
from voice_stream_app import Session, over, streaming

from callrouter.voice.media.tones import SILENT_FRAME


def small_buffers(session: Session) -> None:
    opened = session.socket.transport.get_extra_info("socket")
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)


def test_a_slow_app_delays_no_audio_and_loses_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for it is bounded; when it reads again it hears the newest, and its numbers show the gap."""
    monkeypatch.setattr("callrouter.voice.stream_outlet._BEHIND", 20)
    monkeypatch.setattr("callrouter.voice.stream_outlet._UNSENT", 512)

    async def stall(session: Session) -> None:
        small_buffers(session)
        session.socket.transport.pause_reading()

    async def scenario() -> None:
        async with streaming(stall, track="both") as (node, client, events, phone, app):
            fill(node)
            other = await phone_leg(client, "B", 900)
            await client.request("bridge.make", legs=["A", "B"])
            await until(lambda: node.stats()["stream_chunks_dropped"] > 30)
            warning = (await events.wait("stream.warning")).data
            assert (warning["code"], warning["stream"]) == (31930, "MZ1")
            await asyncio.gather(phone.hears(900), other.hears(600))
            app.socket.transport.resume_reading()
            await until(lambda: app.of("media") and len(app.of("media", "inbound")) < newest(app))
            await app.hears(600)
            numbers = [int(message["sequenceNumber"]) for message in app.messages[1:]]
            assert numbers == list(range(1, len(numbers) + 1))
            chunks = [int(message["media"]["chunk"]) for message in app.of("media", "inbound")]
            assert chunks == sorted(set(chunks))
            assert len(chunks) < chunks[-1]
            stamps = [int(message["media"]["timestamp"]) for message in app.of("media", "inbound")]
            assert stamps == [20 * (number - 1) for number in chunks]
            assert len(events.of("stream.warning")) == 1
            await client.request("stream.stop", leg="A", stream="MZ1")
            await app.wait("stop")
            dropped = node.stats()["stream_chunks_dropped"]
            assert dropped > 30, "still counted when the stream is over"
            other.close()

    def newest(app: Session) -> int:
        return int(app.of("media", "inbound")[-1]["media"]["chunk"])

    def fill(node: Any) -> None:
        """So that a second of audio is more than the system takes."""
        (stream,) = node._board.streams._running.values()
        opened = stream._outlet._socket.transport.get_extra_info("socket")
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)

    run(scenario())


def test_an_app_that_asks_and_never_reads_is_given_up() -> None:
    async def flood(session: Session) -> None:
        small_buffers(session)
        session.socket.transport.set_write_buffer_limits(1 << 26)
        for number in range(9000):
            await session.mark(f"{number}" + "x" * 1000)
        session.socket.transport.pause_reading()

    async def scenario() -> None:
        async with streaming(flood, bidirectional=True) as (_, client, events, _phone, app):
            facts = await over(events)
            assert (facts["cause"], facts["code"]) == ("failed", 31930)
            assert (await client.request("leg.stats", leg="A"))["up"]
            app.socket.transport.abort()

    run(scenario())


@pytest.mark.parametrize("frame", [b"\x81\x00", b"\x89\x00", b"\x8a\x00"], ids=["text", "ping", "pong"])
def test_a_flood_of_frames_costs_others_a_moment(frame: bytes) -> None:
    """Empty messages, pings and pongs by the hundred thousand: the stream is given up, the calls go on."""

    async def scenario() -> None:
        async with streaming(bidirectional=True) as (_, client, events, phone, app):
            other = await phone_leg(client, "B", 900)
            await client.request("bridge.make", legs=["A", "B"])
            app.socket.transport.write(frame * 300_000)
            facts = await over(events)
            assert (facts["cause"], facts["code"]) == ("failed", 31924)
            assert "too many frames" in facts["message"]
            await asyncio.gather(phone.hears(900), other.hears(600))
            app.socket.transport.abort()
            other.close()

    run(scenario())


def test_what_means_nothing_is_told_once_and_ignored() -> None:
    async def scenario() -> None:
        async with streaming(bidirectional=True) as (_, _client, events, phone, app):
            for bad in ("{", b"\xff\x00", '{"event":"play"}', '{"event":"clear","streamSid":"MZ2"}'):
                await app.socket.send(bad)
                await app.socket.send(bad)
            await app.media(b"".join(tone_frames(1000)))
            await phone.hears(1000)
            warnings = [event.data for event in events.of("stream.warning")]
            assert [warning["code"] for warning in warnings] == [31950, 31951]
            assert warnings[1]["message"].startswith("The app sent the event 'play'")
            assert not events.of("stream.done")

    run(scenario())


def test_an_app_that_may_only_listen_is_not_heard() -> None:
    async def scenario() -> None:
        async with streaming() as (_, _client, events, phone, app):
            await app.media(b"".join(tone_frames(1000)))
            warning = (await events.wait("stream.warning")).data
            assert (warning["code"], "only listens" in warning["message"]) == (31951, True)
            count = len(phone.received)
            await until(lambda: len(phone.received) > count + 10)
            assert {packet.payload for packet in phone.received} == {SILENT_FRAME}

    run(scenario())


def test_more_audio_than_there_is_room_for_is_discarded_and_told() -> None:
    async def scenario() -> None:
        async with streaming(bidirectional=True) as (_, _client, events, phone, app):
            minute = b"".join(tone_frames(1000)) * 60
            for _ in range(4):
                await app.media(minute)
            warning = (await events.wait("stream.warning")).data
            assert (warning["code"], "120 s" in warning["message"]) == (31931, True)
            await phone.hears(1000)
            await app.send("clear")
            await app.media(b"".join(tone_frames(1400)))
            await phone.hears(1400)

    run(scenario())


def test_noise_from_an_app_harms_nobody() -> None:
    """Random messages as fast as they can be sent: the call's audio goes on, and so does the stream."""
    chance = random.Random(7)
    parts = [
        "{",
        "}",
        '"event"',
        ":",
        '"media"',
        ",",
        '"mark"',
        "[",
        "]",
        "1e999",
        '"streamSid"',
        '"MZ1"',
        "\ud7ff",
    ]

    async def scenario() -> None:
        async with streaming(bidirectional=True) as (_, client, events, phone, app):
            other = await phone_leg(client, "B", 900)
            await client.request("bridge.make", legs=["A", "B"])
            for _ in range(3000):
                await app.socket.send("".join(chance.choices(parts, k=chance.randrange(12))))
            await app.mark("still there")
            await app.wait("mark")
            await asyncio.gather(phone.hears(900), other.hears(600))
            assert not events.of("stream.done")
            other.close()

    run(scenario())

"""Media streams on real sockets: what the app gets, judged by ear, and what the far end hears of the app."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest
from test_voice_phone_leg import phone_leg, press
from voice_peers import run, tone_frames, until, voice_node
from voice_stream_app import ALLOW, Session, over, start, stream_app, streaming

from callrouter.voice.client import VoiceClient, VoiceError
from callrouter.voice.media.tones import SILENT_FRAME

TONE = b"".join(tone_frames(1000))  # a second


def test_the_messages_are_twilios() -> None:
    """connected, start, media, dtmf, mark, stop: their fields, strings where Twilio has strings, numbered in order."""

    async def scenario() -> None:
        changes = {"bidirectional": True, "parameters": {"a": "1", "ü": "<b>"}}
        async with streaming(**changes) as (_, client, _events, phone, app):
            await app.wait("media", 5)
            press(phone, "7")
            await app.wait("dtmf")
            await client.request("stream.press", leg="A", digits="8w#")
            with pytest.raises(VoiceError):
                await client.request("stream.press", leg="A", digits="x")
            await app.mark("here")
            await app.wait("mark")
            await client.request("stream.stop", leg="A", stream="MZ1")
            await app.wait("stop")
            await until(lambda: app.over)
            connected, start, *rest = app.messages
            assert connected == {"event": "connected", "protocol": "Call", "version": "1.0.0"}
            assert start == {
                "event": "start",
                "sequenceNumber": "1",
                "streamSid": "MZ1",
                "start": {
                    "streamSid": "MZ1",
                    "accountSid": "AC1",
                    "callSid": "CA1",
                    "tracks": ["inbound"],
                    "customParameters": {"a": "1", "ü": "<b>"},
                    "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
                },
            }
            assert [message["sequenceNumber"] for message in rest] == [
                str(number) for number in range(2, len(rest) + 2)
            ]
            assert {message["streamSid"] for message in rest} == {"MZ1"}
            media = [message["media"] for message in app.of("media")]
            assert all(set(each) == {"track", "chunk", "timestamp", "payload"} for each in media)
            assert [each["chunk"] for each in media] == [str(number + 1) for number in range(len(media))]
            assert [each["timestamp"] for each in media] == [str(20 * number) for number in range(len(media))]
            assert {len(base64.b64decode(each["payload"])) for each in media} == {160}
            keys = [message["dtmf"] for message in app.of("dtmf")]
            assert keys == [{"track": "inbound_track", "digit": key} for key in "78#"]
            assert app.of("mark")[0]["mark"] == {"name": "here"}
            assert app.messages[-1]["stop"] == {"accountSid": "AC1", "callSid": "CA1"}
            assert app.messages[-1]["event"] == "stop"

    run(scenario())


@pytest.mark.parametrize("track", ["inbound", "outbound", "both"])
def test_each_track_is_heard_apart(track: str) -> None:
    """Inbound is what the far end says, outbound what it hears, here from its bridge; the bridge goes on."""

    async def scenario() -> None:
        async with streaming(track=track, hertz=600) as (_, client, _events, phone, app):
            other = await phone_leg(client, "B", 900)
            await client.request("bridge.make", legs=["A", "B"])
            await asyncio.gather(phone.hears(900), other.hears(600))
            if track != "outbound":
                await app.hears(600, "inbound")
            if track != "inbound":
                await app.hears(900, "outbound")
            tracks = {"both": ["inbound", "outbound"]}.get(track, [track])
            assert app.of("start")[0]["start"]["tracks"] == tracks
            assert {message["media"]["track"] for message in app.of("media")} == set(tracks)
            for name in tracks:
                chunks = [message["media"]["chunk"] for message in app.of("media", name)]
                assert chunks == [str(number + 1) for number in range(len(chunks))]
            other.close()

    run(scenario())


def test_what_is_played_to_the_far_end_is_outbound() -> None:
    async def scenario() -> None:
        async with streaming(track="outbound") as (_, client, _events, phone, app):
            await client.request("leg.play", leg="A", keys="5555")
            await phone.hears(1336)
            await until(lambda: b"".join(p.payload for p in phone.received[-40:-10]) in app.audio("outbound"))

    run(scenario())


def test_time_goes_on_while_the_far_end_is_silent() -> None:
    """An app that waits for the end of speech must hear it end, and hold music must not stop the clock."""

    async def scenario() -> None:
        async with streaming() as (_, _client, _events, phone, app):
            await app.hears(600)
            phone.hush()
            count = len(app.of("media"))
            await app.wait("media", count + 25)
            assert app.audio()[-160 * 10 :] == SILENT_FRAME * 10
            phone.talk()
            await app.hears(600)

    run(scenario())


def test_the_app_is_heard() -> None:
    """Audio far ahead of its time and of any length is played once, whole and in order."""

    async def scenario() -> None:
        async with streaming(bidirectional=True) as (_, _client, _events, phone, app):
            for start in range(0, len(TONE), 999):
                await app.media(TONE[start : start + 999])
            await app.mark("end")
            await phone.hears(1000)
            await app.wait("mark")
            await until(lambda: phone.received[-1].payload == SILENT_FRAME)
            said = [packet.payload for packet in phone.received if packet.payload != SILENT_FRAME]
            assert b"".join(said) == TONE
            places = [number for number, packet in enumerate(phone.received) if packet.payload in said]
            assert places[-1] - places[0] == 49, "nothing in between"

    run(scenario())


def test_a_minute_in_small_messages_at_once_is_taken() -> None:
    """What a speech engine has ready: the bounds are for apps that mean harm."""

    async def scenario() -> None:
        async with streaming(bidirectional=True) as (_, _client, events, phone, app):
            for number in range(3000):
                await app.media(TONE[number % 50 * 160 :][:160])
            await app.mark("said")
            await phone.hears(1000)
            await app.send("clear")
            await app.wait("mark")
            assert not events.of("stream.warning")
            assert not events.of("stream.done")

    run(scenario())


async def echo(session: Session) -> None:
    async for message in session.socket:
        body = json.loads(message)
        if body["event"] == "media":
            await session.media(base64.b64decode(body["media"]["payload"]))


def test_an_echo_in_real_time() -> None:
    """Every 20 ms come and go singly: what the far end hears of itself in a second has no gap once it flows. A busy
    machine may make some, and then it takes longer."""

    async def scenario() -> None:
        async with streaming(echo, bidirectional=True) as (_, _client, _events, phone, _app):
            await phone.hears(600)
            begun = len(phone.received)

            def whole() -> bool:
                last = [packet.payload for packet in phone.received[begun:][-50:]]
                return len(last) == 50 and last.count(SILENT_FRAME) <= 5

            await until(whole)

    run(scenario())


def test_marks_return_in_order_when_they_are_reached() -> None:
    async def scenario() -> None:
        async with streaming(bidirectional=True) as (_, _client, _events, phone, app):
            await app.mark("nothing before")
            await app.wait("mark")
            await app.media(TONE[:4000])
            await app.mark("half")
            await app.mark("half too")
            await app.media(TONE[:4000])
            await app.mark("whole")
            await app.wait("mark", 3)
            assert app.marks() == ["nothing before", "half", "half too"]
            heard = sum(packet.payload != SILENT_FRAME for packet in phone.received)
            assert 24 <= heard <= 40, "half of it is over, the rest is not"
            await app.wait("mark", 4)
            assert app.marks()[3:] == ["whole"]

    run(scenario())


def test_clear_forgets_the_rest_and_returns_the_marks() -> None:
    """The caller interrupts: silence at once, every mark comes back once, and what is said next is heard."""

    async def scenario() -> None:
        async with streaming(bidirectional=True) as (_, _client, _events, phone, app):
            for name in ("one", "two"):
                await app.media(TONE * 5)
                await app.mark(name)
            await phone.hears(1000)
            assert app.marks() == []
            await app.send("clear")
            await app.wait("mark", 2)
            await until(lambda: [p.payload for p in phone.received[-5:]] == [SILENT_FRAME] * 5)
            await app.media(b"".join(tone_frames(1400)))
            await app.mark("three")
            await phone.hears(1400)
            await app.wait("mark", 3)
            assert app.marks() == ["one", "two", "three"]

    run(scenario())


def test_other_sounds_and_the_app_take_turns() -> None:
    """What the node plays comes first; leg.stop silences the app as `clear` does."""

    async def scenario() -> None:
        async with streaming(bidirectional=True) as (_, client, events, phone, app):
            await client.request("leg.play", leg="A", keys="11")
            await app.media(TONE)
            await app.mark("said")
            await app.wait("mark")
            await events.wait("job.done", "A")
            said = b"".join(packet.payload for packet in phone.received if packet.payload != SILENT_FRAME)
            assert said.endswith(TONE)
            await app.media(TONE * 9)
            await app.mark("cut")
            await phone.hears(1000)
            await client.request("leg.stop", leg="A")
            await app.wait("mark", 2)
            assert len(events.of("job.done")) == 1, "the app's audio is no job of the router's"

    run(scenario())


@pytest.mark.parametrize("how", ["stopped", "hangup", "closed"])
def test_it_ends_once_and_says_how(how: str) -> None:
    async def scenario() -> None:
        async with streaming(bidirectional=True, track="both") as (node, client, events, phone, app):
            await app.media(TONE * 9)
            await phone.hears(1000)
            if how == "stopped":
                await client.request("stream.stop", leg="A", stream="MZ1")
                await client.request("stream.stop", leg="A", stream="MZ1")
            elif how == "hangup":
                await client.request("leg.close", leg="A")
            else:
                await app.socket.close()
            assert await over(events) == {"stream": "MZ1", "cause": how}
            await until(lambda: app.over)
            assert [message["event"] for message in app.messages].count("stop") == (how != "closed")
            assert node.stats()["streams"] == 0
            if how == "hangup":
                order = [event.type for event in events.all if event.type in ("stream.done", "leg.closed")]
                assert order == ["stream.done", "leg.closed"]
            else:
                await until(lambda: phone.received[-1].payload == SILENT_FRAME)
            await client.request("stream.stop", leg="A", stream="MZ1")
            assert len(events.of("stream.done")) == 1

    run(scenario())


def test_a_stream_can_be_stopped_before_it_is_open() -> None:
    async def scenario() -> None:
        with_held = asyncio.Event()

        async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            with_held.set()
            await reader.read()
            writer.close()

        server = await asyncio.start_server(hold, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server, voice_node(outbound_allow=ALLOW) as (_, client, events):
            await phone_leg(client, "A", 600)
            await start(client, f"ws://127.0.0.1:{port}/")
            await with_held.wait()
            await client.request("stream.stop", leg="A", stream="MZ1")
            assert await over(events) == {"stream": "MZ1", "cause": "stopped"}
            assert not events.of("stream.up")

    run(scenario())


def test_the_node_ends_in_order() -> None:
    """Apps hear `stop` when the node is closed."""

    async def scenario() -> None:
        async with stream_app() as app:
            async with voice_node(outbound_allow=ALLOW) as (_, client, events):
                await phone_leg(client, "A", 600)
                await start(client, app)
                await events.wait("stream.up")
                session = await app.session()
            await session.wait("stop")
            await until(lambda: session.over)

    run(scenario())


def test_headers_and_the_path_are_as_ordered() -> None:
    async def scenario() -> None:
        headers = {"X-Twilio-Signature": "abc=", "User-Agent": "other/1"}
        async with stream_app() as app, voice_node(outbound_allow=ALLOW) as (_, client, events):
            await phone_leg(client, "A", 600)
            url = f"ws://user:p%25ss@127.0.0.1:{app.port}/a%20b?x=1"
            await start(client, url, headers=headers)
            await events.wait("stream.up")
            request = (await app.session()).socket.request
            assert request is not None
            assert request.path == "/a%20b?x=1"
            assert request.headers["Host"] == f"127.0.0.1:{app.port}"
            assert request.headers["X-Twilio-Signature"] == "abc="
            assert request.headers.get_all("User-Agent") == ["other/1"]
            assert request.headers["Authorization"] == "Basic " + base64.b64encode(b"user:p%ss").decode()
            assert "Sec-WebSocket-Extensions" not in request.headers

    run(scenario())


def test_orders_may_be_repeated_and_are_bounded() -> None:
    async def scenario() -> None:
        async with stream_app() as app, voice_node(outbound_allow=ALLOW) as (node, client, events):
            await phone_leg(client, "A", 600)
            for number in range(4):
                await start(client, app, stream=f"MZ{number}")
                await start(client, app, stream=f"MZ{number}")
            await start(client, app, stream="MZ4", bidirectional=True)
            await events.wait("stream.up", count=5)
            assert node.stats()["streams"] == len(app.sessions) == 5
            with pytest.raises(VoiceError, match="5 streams of this leg run already") as caught:
                await start(client, app, stream="MZ5")
            assert caught.value.code == "at_capacity"
            await client.request("stream.stop", leg="A", stream="MZ0")
            with pytest.raises(VoiceError, match="another stream speaks"):
                await start(client, app, stream="MZ5", bidirectional=True)
            await start(client, app, stream="MZ5")
            await events.wait("stream.up", count=6)

    run(scenario())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"leg": "B"}, "leg B is not on this node"),
        ({"stream": 'MZ"1'}, "`stream` is 1 to 64 letters and digits"),
        ({"url": ""}, "`url`, a non-empty string"),
        ({"account": None}, "`account`, a non-empty string"),
        ({"call": "CA 1"}, "`call` is 1 to 64"),
        ({"track": "inbound_track"}, "`track` is inbound, outbound or both"),
        ({"bidirectional": 1}, "`bidirectional` is true or false"),
        ({"headers": {"Host": "x"}}, "header 'Host' cannot be sent"),
        ({"headers": {"sec-websocket-key": "x"}}, "cannot be sent"),
        ({"headers": {"X": "a\r\nY: b"}}, "cannot be sent"),
        ({"headers": {"X Y": "a"}}, "cannot be sent"),
        ({"headers": []}, "`headers` is an object"),
        ({"parameters": {"a": 1}}, "`parameters` has strings only"),
        ({"parameters": {str(number): "" for number in range(101)}}, "at most 100 strings"),
    ],
)
def test_bad_orders_are_refused(fields: dict[str, Any], message: str) -> None:
    async def scenario() -> None:
        async with voice_node(outbound_allow=ALLOW) as (_, client, events):
            await phone_leg(client, "A", 600)
            with pytest.raises(VoiceError, match=message):
                await order(client, fields)
            assert not events.of("stream.done")

    async def order(client: VoiceClient, fields: dict[str, Any]) -> None:
        await start(client, "wss://127.0.0.1:9999/", **fields)

    run(scenario())


def test_outbound_of_a_leg_in_a_room_is_what_it_hears_there() -> None:
    async def scenario() -> None:
        async with streaming(track="outbound") as (_, client, _events, phone, app):
            other = await phone_leg(client, "B", 900)
            for leg in ("A", "B"):
                await client.request("room.join", leg=leg, room="CF1")
            await asyncio.gather(phone.hears(900), app.hears(900, "outbound"))
            other.close()

    run(scenario())

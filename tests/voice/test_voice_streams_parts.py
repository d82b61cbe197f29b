"""The pure parts of streams: messages in and out, chunks in order, the player's places."""

from __future__ import annotations

import base64
import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from voice_peers import unhurried
from websockets.protocol import State

from callrouter.voice import stream_messages as messages
from callrouter.voice.media.packet import RtpPacket
from callrouter.voice.media.tones import SILENT_FRAME
from callrouter.voice.media.voices import Job
from callrouter.voice.stream_messages import Clear, Mark, Media, MessageFault, StreamOrder, decode
from callrouter.voice.stream_outlet import Outlet, OutletFull
from callrouter.voice.stream_player import Player, PlayerFull
from callrouter.voice.stream_track import Track


def said(**body: Any) -> str:
    return json.dumps({"streamSid": "MZ1", **body})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (said(event="media", media={"payload": "/wA="}), Media(audio=b"\xff\x00")),
        (said(event="media", media={"payload": "", "track": "x"}, more=1), Media(audio=b"")),
        (said(event="mark", mark={"name": "é\ud800"}), Mark(name="é\ud800")),
        (said(event="mark", mark={"name": ""}), Mark(name="")),
        (said(event="clear"), Clear()),
    ],
)
def test_what_an_app_may_say(text: str, expected: object) -> None:
    assert decode(text, "MZ1") == expected


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        (b'{"event": "clear", "streamSid": "MZ1"}', 31950, "binary"),
        ("", 31950, "not JSON"),
        ("{", 31950, "not JSON"),
        ("[" * 100_000, 31950, "not JSON"),
        ("1" * 5000, 31950, "not JSON"),
        ('["media"]', 31950, "not a JSON object"),
        ("null", 31950, "not a JSON object"),
        ("{}", 31951, "the event <NoneType>"),
        (said(event="play"), 31951, "the event 'play'"),
        (said(event="x" * 65), 31951, "the event <str>"),
        (said(event=["media"]), 31951, "the event <list>"),
        ('{"event": "clear"}', 31951, "the stream <NoneType>; this one is MZ1"),
        ('{"event": "clear", "streamSid": "MZ2"}', 31951, "the stream 'MZ2'"),
        (said(event="media"), 31951, "without `media.payload`"),
        (said(event="media", media=["payload"]), 31951, "without `media.payload`"),
        (said(event="media", media={"payload": 5}), 31951, "without `media.payload`"),
        (said(event="media", media={"payload": "/wA"}), 31951, "not base64"),
        (said(event="media", media={"payload": "/w A="}), 31951, "not base64"),
        (said(event="media", media={"payload": "ü"}), 31951, "not base64"),
        (said(event="mark"), 31951, "without `mark.name`"),
        (said(event="mark", mark={"name": None}), 31951, "without `mark.name`"),
        (said(event="mark", mark={"name": "x" * 1025}), 31951, "longer than 1024"),
    ],
)
def test_what_an_app_may_not_say(text: str | bytes, code: int, message: str) -> None:
    with pytest.raises(MessageFault, match=message) as caught:
        decode(text, "MZ1")
    assert caught.value.code == code


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
bodies = st.fixed_dictionaries(
    {},
    optional={
        "event": st.sampled_from(["media", "mark", "clear"]) | values,
        "streamSid": st.just("MZ1") | values,
        "media": st.fixed_dictionaries({"payload": st.text() | values}) | values,
        "mark": st.fixed_dictionaries({"name": st.text() | values}) | values,
    },
)


@unhurried
@given(st.text() | st.binary() | bodies.map(json.dumps) | values.map(json.dumps))
def test_no_message_breaks_the_decoder(text: str | bytes) -> None:
    found: object
    try:
        found = decode(text, "MZ1")
    except MessageFault as fault:
        found = fault
    assert isinstance(found, Media | Mark | Clear) or (
        isinstance(found, MessageFault) and len(str(found)) < 300
    )


@unhurried
@given(st.dictionaries(st.text(), st.text()), st.text(), st.binary(max_size=400))
def test_every_message_is_one_json_object(parameters: dict[str, str], name: str, audio: bytes) -> None:
    order = StreamOrder(
        stream="MZ1",
        url="",
        account="AC1",
        call="CA1",
        tracks=("inbound", "outbound"),
        bidirectional=True,
        parameters=parameters,
    )
    start = json.loads(messages.start(order).text("MZ1", 1))
    assert start["start"]["customParameters"] == parameters
    assert start["start"]["tracks"] == ["inbound", "outbound"]
    mark = json.loads(messages.mark(name).text("MZ1", 2))
    assert mark == {"event": "mark", "sequenceNumber": "2", "streamSid": "MZ1", "mark": {"name": name}}
    media = json.loads(messages.media("inbound", 7, 120, audio).text("MZ1", 3))["media"]
    assert base64.b64decode(media.pop("payload")) == audio
    assert media == {"track": "inbound", "chunk": "7", "timestamp": "120"}


# -- chunks ----------------------------------------------------------------------


class Ear:
    """A track whose chunks are kept. Times are frames."""

    def __init__(self) -> None:
        self.chunks: list[tuple[int, int, bytes]] = []
        self.track = Track("inbound", 0.0, lambda _, *chunk: self.chunks.append(chunk))

    def hear(self, number: int, at: float, *, size: int = 160, ssrc: int = 5) -> None:
        packet = RtpPacket(
            0, False, number & 0xFFFF, number * size & 0xFFFFFFFF, ssrc, bytes([number % 200]) * size
        )
        self.track.hear(packet, at * 0.02)

    def tick(self, at: int) -> None:
        self.track.tick(at * 0.02)

    def audio(self) -> list[bytes]:
        return [audio for _, _, audio in self.chunks]

    def numbers(self) -> list[int]:
        """Which packets, without the silence."""
        return [audio[0] for audio in self.audio() if audio != SILENT_FRAME]


def test_a_packet_in_its_turn_is_a_chunk_at_once() -> None:
    ear = Ear()
    for number in range(20):
        ear.hear(number, number + 0.7)
        assert ear.chunks[-1] == (number + 1, 20 * number, bytes([number]) * 160)


@pytest.mark.parametrize("size", [80, 240, 320, 480])
def test_packets_of_any_length_become_chunks_of_20_ms(size: int) -> None:
    ear = Ear()
    for number in range(40):
        ear.hear(number, number * size / 160, size=size)
    audio = b"".join(ear.audio())
    assert audio == b"".join(bytes([number]) * size for number in range(40))[: len(audio)]
    assert len(audio) >= 40 * size - 160


def test_a_packet_that_was_overtaken_is_waited_for_and_a_lost_one_is_not_for_long() -> None:
    ear = Ear()
    for number in (0, 1, 3, 2, 4):
        ear.hear(number, number)
    assert ear.numbers() == [0, 1, 2, 3, 4]
    ear.hear(6, 6)
    ear.hear(7, 7)
    assert ear.numbers()[-1] == 4
    ear.hear(8, 8)
    assert ear.numbers() == [0, 1, 2, 3, 4, 6, 7, 8]
    assert ear.audio()[5] == SILENT_FRAME
    ear.hear(5, 8)
    assert ear.numbers()[-1] == 8, "too late"


def test_silence_takes_the_place_of_what_does_not_come() -> None:
    """At most 100 ms late; then the talk goes on in the present, and what was held back is not lost."""
    ear = Ear()
    ear.hear(0, 0)
    for now in range(1, 60):
        ear.tick(now)
        assert len(ear.chunks) == max(1, now - 5)
    for number in range(1, 30):  # one burst
        ear.hear(number, 60)
    assert ear.numbers() == list(range(30))
    ear.hear(100, 70, ssrc=9)
    assert ear.numbers()[-1] == 100


@unhurried
@given(st.randoms(use_true_random=False), st.floats(0, 0.5), st.integers(0, 4))
def test_chunks_are_in_order_once_and_in_time(chance: random.Random, loss: float, jitter: int) -> None:
    """Whatever the network does: no chunk twice, none out of order, none later than 100 ms behind the clock."""
    ear = Ear()
    arrivals = sorted(
        (number + chance.random() * jitter, number) for number in range(150) if chance.random() >= loss
    )
    now = 0
    for at, number in arrivals:
        while now < at:
            ear.tick(now)
            assert len(ear.chunks) >= now - 5
            now += 1
        ear.hear(number, at)
    assert [count for count, _, _ in ear.chunks] == list(range(1, len(ear.chunks) + 1))
    assert [stamp for _, stamp, _ in ear.chunks] == [20 * number for number in range(len(ear.chunks))]
    heard = ear.numbers()
    assert heard == sorted(set(heard))
    if jitter <= 2:
        # What the very first packet has overtaken is from before the beginning.
        there = {number for _, number in arrivals[:-5] if number >= arrivals[0][1]}
        assert set(heard) >= there, "only the network loses"


# -- the way to the app ------------------------------------------------------------


class SlowSocket:
    """As much of a connection as an outlet needs; `full`: it takes nothing."""

    def __init__(self) -> None:
        self.full = False
        self.sent: list[dict[str, Any]] = []
        self.protocol = self.transport = self
        self.state, self.send_in_progress = State.OPEN, None

    def get_write_buffer_size(self) -> int:
        return 1 << 20 if self.full else 0

    def send_text(self, message: bytes) -> None:
        self.sent.append(json.loads(message))

    def send_data(self) -> None:
        return


def slow_outlet(tracks: int = 1) -> tuple[SlowSocket, Outlet]:
    socket: Any = SlowSocket()
    return socket, Outlet(socket, "MZ1", tracks)


@pytest.mark.parametrize("tracks", [1, 2])
def test_of_audio_that_waits_too_long_the_oldest_is_dropped_and_nothing_else(tracks: int) -> None:
    """Five seconds of each track wait at most; marks and digits are never dropped, and the order is kept."""
    socket, outlet = slow_outlet(tracks)
    outlet.send(messages.media("inbound", 1, 0, b""))
    socket.full = True
    for number in range(2, 1002):
        outlet.send(messages.media("inbound", number, 0, b""))
        if number % 100 == 0:
            outlet.send(messages.mark(str(number)))
    assert outlet.dropped == 1000 - 250 * tracks
    outlet.flush()
    assert [message["event"] for message in socket.sent] == ["connected", "media"]
    socket.full = False
    outlet.flush()
    assert [message["sequenceNumber"] for message in socket.sent[1:]] == [
        str(number) for number in range(1, len(socket.sent))
    ]
    chunks = [int(message["media"]["chunk"]) for message in socket.sent if message["event"] == "media"]
    assert chunks == [1, *range(1002 - 250 * tracks, 1002)]
    marks = [message["mark"]["name"] for message in socket.sent if message["event"] == "mark"]
    assert marks == [str(number) for number in range(100, 1001, 100)]
    after = socket.sent[
        socket.sent.index(next(m for m in socket.sent if m.get("mark") == {"name": "900"})) + 1
    ]
    assert after["media"]["chunk"] == "901"


def test_what_must_not_be_lost_is_bounded_too() -> None:
    socket, outlet = slow_outlet()
    socket.full = True
    for _ in range(2000):
        outlet.send(messages.mark("x"))
    with pytest.raises(OutletFull, match="2000 messages unread"):
        outlet.send(messages.mark("x"))


# -- the player --------------------------------------------------------------------


class Mouth:
    """A leg with one job at a time, and the marks that came back."""

    def __init__(self, takes: bool = True) -> None:
        self.takes = takes
        self.job: Job | None = None
        self.spoken = b""
        self.marks: list[str] = []
        self.player = Player(self.begin, self.marks.append)

    def begin(self, job: Job) -> bool:
        assert self.job is None
        self.job = job if self.takes else None
        return self.takes

    def tick(self) -> None:
        if self.job is not None:
            frame = next(self.job.frames, None)
            if frame is None:
                self.stop("finished")
            else:
                self.spoken += frame.payload

    def stop(self, reason: str) -> None:
        assert self.job is not None
        assert self.job.ended is not None
        job, self.job = self.job, None
        job.ended(reason)  # type: ignore[misc]


def test_an_app_that_speaks_in_real_time_has_a_head_start() -> None:
    mouth = Mouth()
    for number in range(10):
        if number not in (2, 5):  # late twice
            mouth.player.play(bytes([number]) * 160)
        if number in (3, 6):
            mouth.player.play(bytes([number - 1]) * 160)
        mouth.tick()
    assert mouth.spoken.count(SILENT_FRAME) == 2
    assert mouth.spoken.strip(b"\xff")[:160] == bytes(160)


def test_room_is_bounded_and_what_is_there_goes_on() -> None:
    mouth = Mouth()
    mouth.player.play(bytes(120 * 8000))
    with pytest.raises(PlayerFull, match="120 s of audio"):
        mouth.player.play(b"\x01")
    for _ in range(1000):
        mouth.player.mark("x")
    with pytest.raises(PlayerFull, match="1000 marks"):
        mouth.player.mark("y")
    for _ in range(6000):
        mouth.tick()
    assert mouth.spoken == bytes(120 * 8000)
    mouth.tick()
    assert mouth.marks == ["x"] * 1000
    assert mouth.job is None


def test_a_leg_that_has_too_much_to_say_takes_nothing() -> None:
    mouth = Mouth(takes=False)
    with pytest.raises(PlayerFull, match="too many other jobs"):
        mouth.player.play(bytes(160))
    mouth.player.mark("at once")
    assert mouth.marks == ["at once"]


steps = st.lists(
    st.one_of(
        st.tuples(st.just("play"), st.integers(0, 1000)),
        st.tuples(st.just("mark"), st.just(0)),
        st.tuples(st.sampled_from(["clear", "stop"]), st.just(0)),
        st.tuples(st.just("tick"), st.integers(1, 6)),
    ),
    max_size=60,
)


@unhurried
@given(steps)
def test_every_mark_returns_once_in_order_and_not_before_its_audio(plan: list[tuple[str, int]]) -> None:
    mouth, audio, forgotten, due = Mouth(), b"", 0, []
    for step, amount in plan:
        if step == "play":
            mouth.player.play(b"\x01" * amount)
            audio += b"\x01" * amount
        elif step == "mark":
            due.append(len(audio))
            mouth.player.mark(str(len(due) - 1))
        elif step == "clear" or (step == "stop" and mouth.job is not None):
            mouth.player.clear() if step == "clear" else mouth.stop("stopped")
            forgotten = len(audio) - mouth.spoken.count(b"\x01")
            assert len(mouth.marks) == len(due)
        elif step == "tick":
            for _ in range(amount):
                mouth.tick()
        assert mouth.marks == [str(number) for number in range(len(mouth.marks))]
        reached = mouth.spoken.count(b"\x01") + forgotten
        assert all(place <= reached for place in due[: len(mouth.marks)])
    while mouth.job is not None:
        mouth.tick()
    assert len(mouth.marks) == len(due)
    assert mouth.spoken.count(b"\x01") + forgotten == len(audio)

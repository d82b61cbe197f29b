"""Far ends for the voice node's tests: a telephone on a bare UDP socket, browsers by aiortc and by hand."""

from __future__ import annotations

import asyncio
import datetime
import random
import re
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any
from unittest import mock

import av
import hypothesis
import numpy as np
from aioice import stun
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from callrouter.voice.client import VoiceClient
from callrouter.voice.contract import VoiceEvent
from callrouter.voice.legs.certificate import HASHES, Certificate
from callrouter.voice.legs.dtls import Dtls, DtlsState
from callrouter.voice.media import g711
from callrouter.voice.media.packet import RtpPacket, parse_rtp, write_rtp
from callrouter.voice.node import VoiceNode
from callrouter.voice.settings import NodeSettings

TOKEN = "a-token-for-tests-only"


unhurried = hypothesis.settings(deadline=None)
"""The machine may be busy: no time limit per example."""

opened: list[asyncio.DatagramTransport | asyncio.StreamWriter] = []


def run(scenario: Coroutine[Any, Any, Any], seconds: float = 30, loop: Any = None) -> Any:
    """One scenario on a fresh loop, bounded in time; the peers' sockets are closed after it."""

    async def bounded() -> Any:
        try:
            async with asyncio.timeout(seconds):
                return await scenario
        finally:
            for transport in opened:
                transport.close()
            opened.clear()
            await asyncio.sleep(0)

    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(bounded())


def settings(**changes: Any) -> NodeSettings:
    low = random.randrange(20_000, 50_000, 2)
    values: dict[str, Any] = {
        "token": TOKEN,
        "control_address": ("127.0.0.1", 0),
        "bind_address": "127.0.0.1",
        "media_address": "127.0.0.1",
        "webrtc_port": 0,
        "rtp_ports": (low, low + 99),
        "spool": Path(tempfile.gettempdir()) / "callrouter-voice-tests",
    }
    return NodeSettings(**{**values, **changes})


class Events:
    """What the router was told, and waiting for it."""

    def __init__(self) -> None:
        self.all: list[VoiceEvent] = []
        self._news = asyncio.Condition()

    async def take(self, event: VoiceEvent) -> None:
        self.all.append(event)
        async with self._news:
            self._news.notify_all()

    def of(self, type: str, leg: str | None = None) -> list[VoiceEvent]:
        return [event for event in self.all if event.type == type and leg in (None, event.leg)]

    async def wait(self, type: str, leg: str | None = None, count: int = 1, seconds: float = 8) -> VoiceEvent:
        async with asyncio.timeout(seconds), self._news:
            await self._news.wait_for(lambda: len(self.of(type, leg)) >= count)
        return self.of(type, leg)[count - 1]


@asynccontextmanager
async def voice_node(**changes: Any) -> AsyncIterator[tuple[VoiceNode, VoiceClient, Events]]:
    node = VoiceNode(settings(**changes))
    await node.start()
    events = Events()
    client = VoiceClient(node.control_address, TOKEN, events.take)
    await client.start()
    try:
        yield node, client, events
    finally:
        await client.close()
        await node.close()


async def until(condition: Callable[[], object], seconds: float = 8) -> None:
    """Wait for something that gives no signal."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


def loudest(samples: np.ndarray, rate: int = 8000) -> float:
    """The strongest frequency in Hz."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    spectrum[:2] = 0
    return float(np.argmax(spectrum)) * rate / len(samples)


def tone_frames(hertz: int, count: int = 50) -> list[bytes]:
    """One second of a tone, as mu-law frames; whole hertz repeat seamlessly."""
    wave = np.sin(2 * np.pi * hertz * np.arange(160 * count) / 8000) * 8000
    sound = g711.encode(wave)
    return [sound[start : start + 160] for start in range(0, len(sound), 160)]


class Phone(asyncio.DatagramProtocol):
    """Plain RTP, written for these tests: sends a tone, keeps what it gets."""

    def __init__(self, hertz: int) -> None:
        self.frames = tone_frames(hertz)
        self.received: list[RtpPacket] = []
        self.raw: list[bytes] = []
        self.target: tuple[str, int] | None = None
        self.payload_type = 0
        self.sequence, self.timestamp, self.ssrc = random.randrange(60_000, 65_536), 0xFFFFFF00, 77
        self._talk: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, hertz: int) -> Phone:
        _, phone = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: cls(hertz), local_addr=("127.0.0.1", 0)
        )
        return phone

    def connection_made(self, transport: Any) -> None:
        opened.append(transport)
        self.transport = transport
        self.address = transport.get_extra_info("sockname")

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.raw.append(data)
        packet = parse_rtp(data)
        assert packet is not None
        if not 72 <= packet.payload_type <= 95:  # RTCP, when multiplexed
            self.received.append(packet)

    def sdp(self, formats: str = "0 101", extra: str = "", address: str = "127.0.0.1") -> str:
        return (
            f"v=0\r\no=- 1 1 IN IP4 {address}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\n"
            f"m=audio {self.address[1]} RTP/AVP {formats}\r\n"
            "a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n" + extra
        )

    def call(self, sdp: str) -> None:
        """Send where the SDP says, and begin to talk."""
        port = re.search(r"m=audio (\d+)", sdp)
        assert port is not None
        self.target = "127.0.0.1", int(port[1])
        self.talk()

    def talk(self) -> None:
        self._talk = asyncio.ensure_future(self._talking())

    def hush(self) -> None:
        if self._talk is not None:
            self._talk.cancel()
            self._talk = None

    def send(
        self, payload: bytes, *, payload_type: int | None = None, step: int = 160, marker: bool = False
    ) -> None:
        kind = self.payload_type if payload_type is None else payload_type
        self.sequence = self.sequence + 1 & 0xFFFF
        self.timestamp = self.timestamp + step & 0xFFFFFFFF
        packet = RtpPacket(kind, marker, self.sequence, self.timestamp, self.ssrc, payload)
        self.transport.sendto(write_rtp(packet), self.target)

    async def _talking(self) -> None:
        begin, count = time.monotonic(), 0
        while not self.transport.is_closing():
            self.send(self.frames[count % len(self.frames)])
            count += 1
            await asyncio.sleep(max(0.0, begin + count * 0.02 - time.monotonic()))

    async def hears(self, hertz: int, seconds: float = 8) -> None:
        """Until half a second of it is this tone."""

        def heard() -> bool:
            audio = [packet.payload for packet in self.received[-25:] if packet.payload_type in (0, 8)]
            if len(audio) < 25:
                return False
            sound = b"".join(audio)
            if self.payload_type == 8:
                sound = sound.translate(g711.PCMA_TO_PCMU)
            return abs(loudest(g711.decode(sound)) - hertz) <= 6

        await until(heard, seconds)

    def close(self) -> None:
        self.hush()
        self.transport.close()


class Tone(MediaStreamTrack):
    """A microphone with a steady tone."""

    kind = "audio"

    def __init__(self, hertz: int) -> None:
        super().__init__()
        self._wave = (np.sin(2 * np.pi * hertz * np.arange(8000) / 8000) * 8000).astype(np.int16)
        self._count = 0
        self._begin: float | None = None

    async def recv(self) -> av.AudioFrame:
        if self._begin is None:
            self._begin = time.monotonic()
        await asyncio.sleep(max(0.0, self._begin + self._count * 0.02 - time.monotonic()))
        part = self._wave[np.arange(160) + self._count * 160 - 8000 * (self._count * 160 // 8000)]
        frame = av.AudioFrame.from_ndarray(part[None, :], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 8000, self._count * 160, Fraction(1, 8000)
        self._count += 1
        return frame


class Browser:
    """aiortc as a browser; like the Voice SDK it sends its SDP without candidates."""

    def __init__(self, hertz: int) -> None:
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.pc.addTrack(Tone(hertz))
        self.heard: list[np.ndarray] = []
        self.rate = 8000
        self._tasks: list[asyncio.Task[None]] = []
        self.pc.on("track", lambda track: self._tasks.append(asyncio.ensure_future(self._listen(track))))

    async def _listen(self, track: MediaStreamTrack) -> None:
        try:
            while True:
                frame = await track.recv()
                self.rate = frame.sample_rate
                samples = frame.to_ndarray().reshape(-1, len(frame.layout.channels)).mean(axis=1)
                self.heard.append(samples)
        except Exception:
            return

    async def offer(self) -> str:
        with loopback_candidates():
            await self.pc.setLocalDescription(await self.pc.createOffer())
        return without_candidates(self.pc.localDescription.sdp)

    async def take(self, answer: str) -> None:
        await self.pc.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))

    async def answer(self, offer: str) -> str:
        await self.pc.setRemoteDescription(RTCSessionDescription(sdp=offer, type="offer"))
        with loopback_candidates():
            await self.pc.setLocalDescription(await self.pc.createAnswer())
        return without_candidates(self.pc.localDescription.sdp)

    async def hears(self, hertz: int, seconds: float = 8) -> None:
        def heard() -> bool:
            if len(self.heard) < 25:
                return False
            return abs(loudest(np.concatenate(self.heard[-25:]), self.rate) - hertz) <= 6

        await until(heard, seconds)

    async def close(self) -> None:
        await self.pc.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def loopback_candidates() -> Any:
    return mock.patch("aioice.ice.get_host_addresses", return_value=["127.0.0.1"])


def without_candidates(sdp: str) -> str:
    return re.sub(r"a=(candidate:.*|end-of-candidates)\r?\n", "", sdp)


SHA256 = HASHES["sha-256"]
CERTIFICATE = Certificate(datetime.datetime.now(datetime.UTC))


class HandBrowser(asyncio.DatagramProtocol):
    """A browser whose every datagram the test decides: checks, handshake, sealed audio."""

    def __init__(self) -> None:
        self.ufrag, self.pwd = "hand", "p" * 24
        self.fingerprint = CERTIFICATE.fingerprint
        self.setup = "actpass"
        self.dtls = Dtls(CERTIFICATE)
        self.answers: list[stun.Message] = []
        self.received: list[RtpPacket] = []
        self.sequence = 1000

    @classmethod
    async def open(cls) -> HandBrowser:
        browser = cls()
        await browser.move()
        return browser

    async def move(self) -> None:
        """Another local address, as after a change of network."""
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))

    def connection_made(self, transport: Any) -> None:
        opened.append(transport)
        self.transport = transport

    def sdp(self) -> str:
        return (
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n"
            "m=audio 9 UDP/TLS/RTP/SAVPF 111 0\r\nc=IN IP4 0.0.0.0\r\na=rtpmap:111 opus/48000/2\r\n"
            f"a=rtcp-mux\r\na=mid:0\r\na=sendrecv\r\na=ice-ufrag:{self.ufrag}\r\na=ice-pwd:{self.pwd}\r\n"
            f"a=fingerprint:sha-256 {self.fingerprint}\r\na=setup:{self.setup}\r\n"
        )

    def take(self, sdp: str) -> None:
        found = {name: re.search(rf"a={name}:(\S+)", sdp) for name in ("ice-ufrag", "ice-pwd", "setup")}
        self.their_ufrag, self.their_pwd, self.their_setup = (match[1] for match in found.values() if match)
        port = re.search(r"m=audio (\d+)", sdp)
        assert port is not None
        self.target = "127.0.0.1", int(port[1])

    def check_message(self, *, username: str = "", pwd: str = "", **attributes: Any) -> bytes:
        message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
        message.attributes["USERNAME"] = username or f"{self.their_ufrag}:{self.ufrag}"
        message.attributes.update({"PRIORITY": 1, "ICE-CONTROLLING": 7, "USE-CANDIDATE": None, **attributes})
        message.add_message_integrity((pwd or self.their_pwd).encode())
        return bytes(message)

    def send(self, data: bytes) -> None:
        self.transport.sendto(data, self.target)

    async def check(self, data: bytes | None = None) -> stun.Message:
        """A check and its answer."""
        before = len(self.answers)
        self.send(data or self.check_message())
        await until(lambda: len(self.answers) > before)
        return self.answers[-1]

    async def connect(self) -> None:
        await self.check()
        if self.their_setup in ("passive", "actpass") and self.dtls.state is DtlsState.NEW:
            self.dtls.start(server=False)
            self.flush()
        await until(lambda: self.dtls.state is DtlsState.UNVERIFIED)
        certificate = self.dtls._connection.get_peer_certificate(as_cryptography=True)
        self.dtls.verify((("sha-256", certificate.fingerprint(SHA256).hex(":").upper()),))

    def flush(self) -> None:
        for datagram in self.dtls.outgoing():
            self.send(datagram)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if data[0] < 4:
            self.answers.append(stun.parse_message(data))
        elif data[0] < 64:
            if self.dtls.state is DtlsState.NEW:
                self.dtls.start(server=True)
            self.dtls.receive(data)
            self.flush()
        elif self.dtls.srtp is not None and not 192 <= data[1] <= 223:
            packet = parse_rtp(self.dtls.srtp.unprotect(data))
            assert packet is not None
            self.received.append(packet)

    def speak(self, payload: bytes = b"\x55" * 160, count: int = 1) -> None:
        assert self.dtls.srtp is not None
        for _ in range(count):
            self.sequence += 1
            packet = RtpPacket(0, False, self.sequence, self.sequence * 160, 5, payload)
            self.send(self.dtls.srtp.protect(write_rtp(packet)))

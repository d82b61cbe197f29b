"""The phone's audio: one aiortc peer connection with PCMU, a source that speaks and an ear that listens.

Like a browser under the Voice SDK it sends SDP without candidates and takes no ICE servers: the server has
all its candidates in its own SDP and learns ours from the checks.
"""

from __future__ import annotations

import asyncio
import fractions
from contextvars import ContextVar

import aioice.ice
import numpy as np
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from av import AudioFrame

from callrouter.audio.ear import Ear
from callrouter.audio.sources import Source
from callrouter.voice.media.packet import FRAME_SECONDS, SAMPLE_RATE, SAMPLES

_ON_LOOPBACK: ContextVar[bool] = ContextVar("phone_on_loopback", default=False)
_real_host_addresses = aioice.ice.get_host_addresses


def _host_addresses(use_ipv4: bool, use_ipv6: bool) -> list[str]:
    """aioice offers every address of this machine but 127.0.0.1. When the server is on this machine we want
    that one, and only that one: audio of a trial must not leave it. This is our one patch of aioice; what
    others in this process gather stays as it was."""
    if _ON_LOOPBACK.get():
        return ["127.0.0.1"]
    return list(_real_host_addresses(use_ipv4, use_ipv6))


aioice.ice.get_host_addresses = _host_addresses


class _Microphone(MediaStreamTrack):
    """A source as a track: a frame every 20 ms of the loop's clock."""

    kind = "audio"

    def __init__(self, source: Source) -> None:
        super().__init__()
        self._frames = source.frames()
        self._sent = 0
        self._began: float | None = None

    async def recv(self) -> AudioFrame:
        loop = asyncio.get_running_loop()
        if self._began is None:
            self._began = loop.time()
        await asyncio.sleep(self._began + self._sent * FRAME_SECONDS - loop.time())
        frame = AudioFrame.from_ndarray(next(self._frames).reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        frame.pts, frame.time_base = self._sent * SAMPLES, fractions.Fraction(1, SAMPLE_RATE)
        self._sent += 1
        return frame


class Media:
    """One call's audio. `loopback`: gather 127.0.0.1 only. Wrong SDP of the far end raises what aiortc raises."""

    def __init__(self, source: Source, ear: Ear, *, loopback: bool) -> None:
        self.ear = ear
        self._loopback = loopback
        self._peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._microphone = _Microphone(source)
        self._listening: asyncio.Task[None] | None = None
        self._peer.on("track", self._track)

    async def offer(self) -> str:
        """Our SDP for an outgoing call."""
        self._speak()
        return await self._local(await self._peer.createOffer())

    async def accept(self, answer: str) -> None:
        """The far end's SDP for our offer."""
        await self._peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    async def answer(self, offer: str) -> str:
        """Our SDP for an incoming call."""
        await self._peer.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        self._speak()
        return await self._local(await self._peer.createAnswer())

    @property
    def local_sdp(self) -> str:
        """What a re-attach shows: the local description, offer or answer, without candidates."""
        return _without_candidates(self._peer.localDescription.sdp)

    async def close(self) -> None:
        """Idempotent."""
        if self._listening:
            self._listening.cancel()
        self._microphone.stop()
        await self._peer.close()
        self.ear.close()

    def _speak(self) -> None:
        self._peer.addTrack(self._microphone)
        pcmu = [c for c in RTCRtpSender.getCapabilities("audio").codecs if c.mimeType.lower() == "audio/pcmu"]
        for transceiver in self._peer.getTransceivers():
            transceiver.setCodecPreferences(pcmu)

    async def _local(self, description: RTCSessionDescription) -> str:
        mark = _ON_LOOPBACK.set(self._loopback)
        try:
            await self._peer.setLocalDescription(description)
        finally:
            _ON_LOOPBACK.reset(mark)
        return self.local_sdp

    def _track(self, track: MediaStreamTrack) -> None:
        self._listening = asyncio.create_task(self._listen(track))

    async def _listen(self, track: MediaStreamTrack) -> None:
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            assert isinstance(frame, AudioFrame)
            self.ear.take(frame.to_ndarray().reshape(-1).astype(np.int16))


def _without_candidates(sdp: str) -> str:
    lines = sdp.splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith(("a=candidate", "a=end-of-candidates")))

"""One phone's audio: RTP with PCMU and telephone-events on a UDP socket, a packet every 20 ms each way."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from itertools import chain

from callrouter.audio.ear import Ear
from callrouter.audio.sources import Source
from callrouter.voice import sdp
from callrouter.voice.media.dtmf import DigitReader, plan
from callrouter.voice.media.g711 import Samples, decode, encode
from callrouter.voice.media.packet import (
    FRAME_SECONDS,
    PCMU,
    SAMPLES,
    RtpPacket,
    is_rtcp,
    parse_rtp,
    write_rtp,
)
from callrouter.voice.media.reception import Reception
from callrouter.voice.media.voices import Frame, digits

EVENT_TYPE = 101
"""The payload type that we name for telephone-event; the usual one (RFC 4733 leaves it dynamic)."""
DIGITS_LIMIT = 64


class RtpSession(asyncio.DatagramProtocol):
    """Silent until `connect` or `answer`; then sends `source` without pause until `close`."""

    def __init__(self, source: Source, ear: Ear) -> None:
        self.ear = ear
        self.reception = Reception()
        self.packets_sent = 0
        self.digits_received = ""
        self._frames: Iterator[Samples] = source.frames()
        self._keys: Iterator[Frame] = iter(())
        self._reader = DigitReader()
        self._event_type: int | None = None
        self._remote: tuple[str, int] | None = None
        self._task: asyncio.Task[None] | None = None
        self._ssrc, self._sequence, self._clock = (secrets.randbits(bits) for bits in (32, 16, 32))
        self._moment = self._clock
        self._session = secrets.randbits(40)
        self._transport: asyncio.DatagramTransport | None = None
        self._closed = False

    async def open(self, host: str) -> None:
        """Takes a free port of `host`, an address of this machine; OSError if it is none."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, (host, 0))
        if self._closed:  # a call may be over before its port is open
            self._transport.close()

    def offer(self) -> str:
        return self._sdp(None)

    def answer(self, offer: str) -> str:
        """Accepts the far end's offer and starts to send. sdp.SdpError if we can't."""
        self.connect(offer)
        return self._sdp(sdp.parse(offer))

    def connect(self, remote: str) -> None:
        """Sends to the address in the far end's SDP from now on. sdp.SdpError if it has no PCMU."""
        audio = sdp.parse(remote)
        audio.g711(PCMU)
        self._event_type = audio.event_type
        self._remote = (audio.address, audio.port)
        if self._task is None:
            self._task = asyncio.create_task(self._speak())

    @property
    def takes_events(self) -> bool:
        """Whether the far end's SDP has telephone-event."""
        return self._event_type is not None

    def press(self, keys: str) -> float:
        """Sends keys as telephone-events, after those under way; the seconds that these take.

        ValueError for a wrong character or too many of them.
        """
        if len(keys) > DIGITS_LIMIT:
            raise ValueError(f"at most {DIGITS_LIMIT} keys at once")
        frames = list(digits(plan(keys), events=True))
        self._keys = chain(self._keys, frames)
        return len(frames) * FRAME_SECONDS

    def close(self) -> None:
        """Idempotent."""
        self._closed = True
        if self._task:
            self._task.cancel()
        if self._transport:
            self._transport.close()
        self.ear.close()

    def datagram_received(self, data: bytes, addr: object) -> None:
        packet = None if is_rtcp(data) else parse_rtp(data)
        if packet is None:
            return
        now = asyncio.get_running_loop().time()
        self.reception.packet(packet.ssrc, packet.sequence, packet.timestamp, len(packet.payload), now)
        if packet.payload_type == PCMU:
            self.ear.take(decode(packet.payload))
        elif packet.payload_type in (EVENT_TYPE, self._event_type):
            self.digits_received += self._reader.read(packet.ssrc, packet.timestamp, packet.payload) or ""

    def error_received(self, exc: Exception) -> None:
        """The far end's port is closed: it hung up, and its signalling will say so."""

    async def _speak(self) -> None:
        assert self._transport, "open() comes before connect()"
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            self._transport.sendto(self._packet(), self._remote)
            self.packets_sent += 1
            due = max(due + FRAME_SECONDS, loop.time() - 1)  # after a stall: catch up a second at most
            await asyncio.sleep(due - loop.time())

    def _packet(self) -> bytes:
        frame = next(self._keys, None) or Frame(payload=encode(next(self._frames)))
        self._sequence = self._sequence + 1 & 0xFFFF
        self._clock = self._clock + SAMPLES & 0xFFFFFFFF
        if not frame.same_moment:  # all packets about one key press carry its start (RFC 4733 section 2.1)
            self._moment = self._clock
        kind = self._event_type if frame.event and self._event_type is not None else PCMU
        return write_rtp(
            RtpPacket(kind, frame.marker, self._sequence, self._moment, self._ssrc, frame.payload)
        )

    def _sdp(self, remote: sdp.RemoteAudio | None) -> str:
        assert self._transport, "open() comes before offer() and answer()"
        address, port = self._transport.get_extra_info("sockname")[:2]
        event_type = EVENT_TYPE if remote is None else remote.event_type
        local = sdp.LocalAudio(
            session=self._session,
            version=1,
            address=address,
            port=port,
            formats=(PCMU,),
            event_type=event_type,
            remote=remote,
        )
        return sdp.write(local)

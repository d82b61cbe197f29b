"""A phone's leg: plain RTP by SDP, G.711, digits by RFC 4733, source address latched and locked."""

from __future__ import annotations

import asyncio
import ipaddress
from typing import Any

from .. import sdp
from ..media.dtmf import DigitReader
from ..media.g711 import PCMA_TO_PCMU, PCMU_TO_PCMA
from ..media.packet import PCMA, PCMU, is_rtcp, parse_rtp
from ..media.ticker import Ticker
from ..settings import NodeSettings
from .latch import Latch, Source
from .leg import Emit, Leg
from .ports import NoPortsError, PortPool
from .sockets import media_socket

_EVENT_TYPE = 101  # what we offer; an answer follows the offer's number


class RtpLeg(Leg):
    """Create it with `open`, then `offer`, or `answer` a remote SDP."""

    kind = "rtp"

    def __init__(
        self, leg_id: str, *, emit: Emit, ticker: Ticker, settings: NodeSettings, ports: PortPool
    ) -> None:
        super().__init__(leg_id, emit=emit, ticker=ticker)
        self._settings = settings
        self._ports = ports
        self.port = 0
        self._rtp: asyncio.DatagramTransport | None = None
        self._rtcp: asyncio.DatagramTransport | None = None
        self._latch: Latch | None = None
        self._codec = PCMU
        self._mux = self._sends = False
        self._rtcp_target: Source | None = None
        self._reader = DigitReader()
        self._version = 0
        self._loop = asyncio.get_running_loop()

    async def open(self) -> None:
        """Bind a port pair; `NoPortsError` if the pool has none that the system would give us."""
        for _ in range(8):  # another program may sit on a port of our range
            port = self._ports.take()
            try:
                self._rtp = await self._bind(port, _Audio)
                self._rtcp = await self._bind(port + 1, _Reports)
            except OSError:
                if self._rtp is not None:
                    self._rtp.close()
                    self._rtp = None
                self._ports.give(port)
                continue
            self.port = port
            return
        raise NoPortsError("other programs hold the RTP ports tried: move rtp_ports")

    async def _bind(self, port: int, protocol: type[_Socket]) -> asyncio.DatagramTransport:
        opened = media_socket(self._settings.bind_address, port)
        transport, _ = await self._loop.create_datagram_endpoint(lambda: protocol(self), sock=opened)
        return transport

    # -- SDP -------------------------------------------------------------------

    def offer(self) -> str:
        """Our offer: PCMU, then PCMA, and telephone-event."""
        return self._write((PCMU, PCMA), _EVENT_TYPE, None)

    def answer(self, remote: sdp.RemoteAudio) -> str:
        """Answer an offer, the first or a later one; the leg is up after it."""
        self._agree(remote)
        return self._write((self._codec,), self.event_type, remote)

    def accept(self, remote: sdp.RemoteAudio) -> None:
        """The answer to our offer, or a newer one (183, then 200); the leg is up after it."""
        self._agree(remote)

    def restart(self, remote: sdp.RemoteAudio) -> str:
        """A later offer (re-INVITE: hold, resume, another address): answered like the first."""
        return self.answer(remote)

    def _agree(self, remote: sdp.RemoteAudio) -> None:
        if remote.protocol not in ("RTP/AVP", "RTP/AVPF"):
            raise sdp.SdpError(f"a phone leg speaks RTP/AVP, not {remote.protocol}")
        self._codec = remote.g711(PCMU, PCMA)
        self.event_type = remote.event_type
        held = ipaddress.ip_address(remote.address).is_unspecified  # the old way to say "on hold"
        self._mux, self._sends = remote.rtcp_mux, remote.receives and not held
        self.far_end_sends = remote.sends and not held
        expected = (remote.address, remote.port)
        if self._latch is None or (self._latch.expected != expected and not held):
            self._latch = Latch(expected=expected, window=self._settings.latch_window)
            self._rtcp_target = None if self._mux else (remote.address, remote.rtcp_port)
        self.rise(self._loop.time())

    def _write(self, formats: tuple[int, ...], event_type: int | None, remote: sdp.RemoteAudio | None) -> str:
        self._version += 1
        local = sdp.LocalAudio(
            session=self._stamper.ssrc,
            version=self._version,
            address=self._settings.media_address,
            port=self.port,
            formats=formats,
            event_type=event_type,
            rtcp_mux=remote is not None and remote.rtcp_mux,
            remote=remote,
        )
        return sdp.write(local)

    # -- packets ---------------------------------------------------------------

    def receive(self, data: bytes, source: Source) -> None:
        """A datagram on the RTP port; anything that is not this call's audio is counted and dropped."""
        if self._mux and is_rtcp(data):
            return self.receive_report(data, source)
        packet = parse_rtp(data)
        now = self._loop.time()
        latch = self._latch
        known = packet is not None and packet.payload_type in (self._codec, self.event_type)
        if packet is None or not known or latch is None or not latch.accepts(source, now):
            self.dropped += 1
            return None
        self.count(packet, len(data), now)
        if packet.payload_type == self._codec:
            if self._codec == PCMA:
                packet = packet._replace(payload=packet.payload.translate(PCMA_TO_PCMU))
            self.hear(packet, now)
            return None
        digit = self._reader.read(packet.ssrc, packet.timestamp, packet.payload)
        if digit is not None:
            self.pressed(digit)
        if self.peer is not None and self.peer.up:
            self.peer.relay_event(packet, now)
        return None

    def receive_report(self, data: bytes, source: Source) -> None:
        """A datagram of RTCP; only from the host that the audio comes from."""
        latch = self._latch
        if latch is None or source[0] != latch.target[0]:
            self.dropped += 1
            return
        if not self._mux:
            self._rtcp_target = source
        self.hear_reports(data, self._loop.time())

    def _transmit(self, packet: bytes) -> bool:
        if self._rtp is None or self._latch is None or not self._sends:
            return False
        if self._codec == PCMA and packet[1] & 0x7F == PCMU:
            packet = (
                packet[:1] + bytes([packet[1] | PCMA]) + packet[2:12] + packet[12:].translate(PCMU_TO_PCMA)
            )
        self._rtp.sendto(packet, self._latch.target)
        return True

    def _transmit_report(self, packet: bytes) -> None:
        if self._latch is None:
            return
        if self._mux and self._rtp is not None:
            self._rtp.sendto(packet, self._latch.target)
        elif self._rtcp is not None and self._rtcp_target is not None:
            self._rtcp.sendto(packet, self._rtcp_target)

    def _release(self) -> None:
        for transport in (self._rtp, self._rtcp):
            if transport is not None:
                transport.abort()
        self._rtp = self._rtcp = None
        if self.port:
            self._ports.give(self.port)
            self.port = 0

    def stats(self) -> dict[str, Any]:
        locked = self._latch.locked if self._latch else None
        return {**super().stats(), "port": self.port, "locked_to": locked and f"{locked[0]}:{locked[1]}"}


class _Socket(asyncio.DatagramProtocol):
    def __init__(self, leg: RtpLeg) -> None:
        self.leg = leg


class _Audio(_Socket):
    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        self.leg.receive(data, addr)


class _Reports(_Socket):
    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        self.leg.receive_report(data, addr)

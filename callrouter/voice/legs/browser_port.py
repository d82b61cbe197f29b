"""The one UDP port of all browser legs, and who a datagram on it belongs to (RFC 7983)."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, cast

from .ice import Source, parse_check
from .webrtc import WebRtcLeg

_MAX_SOURCES = 16


class BrowserPort(asyncio.DatagramProtocol):
    """STUN finds its leg by ufrag; everything else by an address that passed that leg's check."""

    def __init__(self) -> None:
        self._transport: asyncio.DatagramTransport | None = None
        self._by_ufrag: dict[str, WebRtcLeg] = {}
        self._by_address: dict[Source, WebRtcLeg] = {}
        self._sources: dict[WebRtcLeg, deque[Source]] = {}
        self.strays = 0
        """Datagrams that belong to no leg."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    @property
    def number(self) -> int:
        assert self._transport is not None
        return int(self._transport.get_extra_info("sockname")[1])

    def send(self, data: bytes, target: Source) -> None:
        if self._transport is not None:
            self._transport.sendto(data, target)

    def listen(self, leg: WebRtcLeg, ufrag: str) -> None:
        """Checks for `ufrag` are this leg's."""
        self._by_ufrag[ufrag] = leg

    def retire(self, ufrag: str) -> None:
        """Checks for `ufrag` are nobody's any more."""
        self._by_ufrag.pop(ufrag, None)

    def trust(self, leg: WebRtcLeg, source: Source) -> None:
        """`source` passed a check of this leg: what it sends from now on is the leg's."""
        if self._by_address.get(source) is leg:
            return
        self._by_address[source] = leg
        mine = self._sources.setdefault(leg, deque())
        mine.append(source)
        if len(mine) > _MAX_SOURCES:
            self.distrust(leg, mine.popleft())

    def forget(self, leg: WebRtcLeg) -> None:
        """Nothing on this port is this leg's any more."""
        self.retire(leg.ice.ufrag)
        for source in self._sources.pop(leg, ()):
            self.distrust(leg, source)

    def distrust(self, leg: WebRtcLeg, source: Source) -> None:
        """What `source` sends is not this leg's any more."""
        if self._by_address.get(source) is leg:
            del self._by_address[source]

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        if not data:
            return
        first = data[0]
        if first >= 128:
            leg = self._by_address.get(addr)
            if leg is not None:
                leg.receive_media(data, addr)
                return
        elif first < 4:
            message = parse_check(data)
            if message is not None:
                leg = self._by_ufrag.get(message.attributes["USERNAME"].partition(":")[0])
                if leg is not None:
                    leg.check(message, addr)
                    return
        elif 20 <= first < 64:
            leg = self._by_address.get(addr)
            if leg is not None:
                leg.receive_dtls(data, addr)
                return
        self.strays += 1

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

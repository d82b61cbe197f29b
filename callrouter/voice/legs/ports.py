"""The pool of UDP ports for phone legs: an even one for RTP, the next for RTCP (RFC 3550 section 11)."""

from __future__ import annotations

from collections import deque


class NoPortsError(Exception):
    """Every port pair of the configured range is in use: widen `rtp_ports` or lower `max_legs`."""


class PortPool:
    """Hands out even ports, the longest unused first, so that late packets of an old call find nobody."""

    def __init__(self, low: int, high: int) -> None:
        self._free = deque(range(low + low % 2, high, 2))

    def __len__(self) -> int:
        return len(self._free)

    def take(self) -> int:
        """An even port; `NoPortsError` if none is left."""
        if not self._free:
            raise NoPortsError("no free RTP port: widen rtp_ports or lower max_legs")
        return self._free.popleft()

    def give(self, port: int) -> None:
        """The port is free again."""
        self._free.append(port)

"""Which source address a phone leg listens to: found once, then locked (against media injection)."""

from __future__ import annotations

import ipaddress

Source = tuple[str, int]


class Latch:
    """Starts with the address of the SDP and follows the packets, within a window.

    The SDP's own IP address may send from any port. A stranger's IP address counts only if the SDP's
    is private (then it is behind a NAT and the packets come from elsewhere) and only in the window;
    if the SDP's own address speaks up after that, still in the window, it takes over.
    """

    def __init__(self, *, expected: Source, window: float) -> None:
        self.expected = expected
        self._window = window
        self._opened: float | None = None
        address = ipaddress.ip_address(expected[0])
        self._behind_nat = not (address.is_global or address.is_loopback or address.is_unspecified)
        self.target = expected
        """Where to send."""
        self.locked: Source | None = None

    def accepts(self, source: Source, now: float) -> bool:
        """Whether a well-formed packet from `source` is of this leg; may lock, and then `target` follows."""
        if source == self.locked:
            return True
        if self._opened is None:
            self._opened = now
        fresh = now - self._opened <= self._window
        if self.locked is None:
            known = source[0] == self.expected[0] or (self._behind_nat and fresh)
        else:
            known = fresh and source == self.expected
        if known:
            self.locked = self.target = source
        return known

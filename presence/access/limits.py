"""How often one address may come with credentials that are no good: then it is refused before anything is computed.

A refused token costs a signature and a look-up, and whoever has none can send thousands. So refusals are counted for
each client address, an IPv6 network of 64 bits being one, in a token bucket: `rate` a second, BURST seconds' worth at
once. With an empty bucket nobody at the address is let in who has not been before: credentials that were good lately
pass, so a device behind the same NAT or proxy keeps its connection, and a new one tries again. No proxy's headers are
believed: behind one, all clients are one address.
"""

import ipaddress
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from hashlib import blake2b
from math import ceil
from typing import TypeVar

from presence.access.refusals import AccessRefused, Refusal

K = TypeVar("K")
V = TypeVar("V")

RATE = 5.0  # refusals a second for each address
BURST = 4.0  # seconds of that at once
ADDRESSES = 10_000
GOOD = 50_000
"""How many addresses, and credentials that were good, are remembered: those used longest ago are forgotten."""


class RefusalLimit:
    """Counts refusals; safe to use from many threads. A `rate` of 0: no limit."""

    def __init__(self, rate: float = RATE, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._most, self._clock = rate, max(1.0, rate * BURST), clock
        self._lock = threading.Lock()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._good: OrderedDict[bytes, None] = OrderedDict()

    @contextmanager
    def watching(self, address: str, credentials: str) -> Iterator[None]:
        """Around the verification of credentials: refused at once with RATE, or counted by how it ends."""
        if self._rate <= 0 or not address:
            yield
            return
        place = network(address)
        self._admit(place, credentials)
        try:
            yield
        except AccessRefused as refused:
            if refused.codes.status == 401:  # who is known and may not is not the one to fear
                self._count(place, credentials)
            raise
        fingerprint = _fingerprint(credentials)
        with self._lock:
            _remember(self._good, fingerprint, None, GOOD)

    def _admit(self, place: str, credentials: str) -> None:
        with self._lock:
            left = self._left(place)
            if left >= 1 or _fingerprint(credentials) in self._good:
                return
        raise AccessRefused(Refusal.RATE, retry_after=ceil((1 - left) / self._rate))

    def _count(self, place: str, credentials: str) -> None:
        with self._lock:
            self._good.pop(_fingerprint(credentials), None)
            _remember(self._buckets, place, (max(self._left(place) - 1, 0.0), self._clock()), ADDRESSES)

    def _left(self, place: str) -> float:
        left, since = self._buckets.get(place, (self._most, 0.0))
        return min(self._most, left + (self._clock() - since) * self._rate)


@lru_cache(ADDRESSES)
def network(address: str) -> str:
    """What counts as one client: an IPv4 address, or the network that a provider gives to one IPv6 customer."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))


def _fingerprint(credentials: str) -> bytes:
    return blake2b(credentials.encode(errors="replace"), digest_size=16).digest()


def _remember(memory: "OrderedDict[K, V]", key: K, value: V, most: int) -> None:
    memory[key] = value
    memory.move_to_end(key)
    if len(memory) > most:
        memory.popitem(last=False)

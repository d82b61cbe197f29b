"""Ports for processes that are started a moment later."""

import random
import socket
from contextlib import suppress

FIRST, LAST = 10_000, 19_999
"""Below those that systems give to outgoing connections, which could take one in that moment."""


def free_ports(count: int) -> list[int]:
    """Different TCP ports of 127.0.0.1 on which nobody listens."""
    found: list[int] = []
    for port in random.sample(range(FIRST, LAST + 1), LAST + 1 - FIRST):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            found.append(port)
            if len(found) == count:
                return found
    raise OSError(f"of the ports {FIRST} to {LAST}, not {count} are free")

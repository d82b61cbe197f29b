"""Ports for processes that are started a moment later, by programs that run side by side.

A port that was found free is free no longer when two programs found it, so each port that is handed out is locked, for
as long as the program lives, in a file that all programs of this user share.
"""

import fcntl
import os
import random
import socket
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

from foundation.outbound.guard import DENIED_PORTS

FIRST, LAST = 10_000, 19_999
"""Below those that systems give to outgoing connections, which could take one in that moment."""

REFUSED = DENIED_PORTS | {10_080}
"""Not asked by the router's webhooks, or by browsers (port blocking of the Fetch standard)."""

_KINDS = (socket.SOCK_STREAM, socket.SOCK_DGRAM)


def free_ports(count: int) -> list[int]:
    """Different ports of 127.0.0.1 on which nobody listens, by TCP or UDP, and that nobody else is given."""
    found: list[int] = []
    for port, _ in zip(_candidates(), range(LAST + 1 - FIRST), strict=False):
        if port not in REFUSED and _lock(port) and all(_free(port, kind) for kind in _KINDS):
            found.append(port)
            if len(found) == count:
                return found
    raise OSError(f"of the ports {FIRST} to {LAST}, not {count} are free")


def free_port() -> int:
    return free_ports(1)[0]


@cache
def _candidates() -> Iterator[int]:
    """All ports in turn, for ever, so that one is given again as late as can be."""
    return _turns(random.randint(FIRST, LAST))  # noqa: S311 - no secret


def _turns(port: int) -> Iterator[int]:
    while True:
        yield port
        port = FIRST if port == LAST else port + 1


def _lock(port: int) -> bool:
    with suppress(OSError):
        fcntl.lockf(_locks(os.getpid()), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
        return True
    return False


@cache
def _locks(_process: int) -> int:
    """The file whose bytes are the ports, opened once: closing any copy of it would give all locks up."""
    path = Path(tempfile.gettempdir()) / f"callrouter-ports-{os.getuid()}"
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def _free(port: int, kind: socket.SocketKind) -> bool:
    with suppress(OSError), socket.socket(socket.AF_INET, kind) as opened:
        if kind is socket.SOCK_STREAM:  # as servers do: a port whose connections only linger is free
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind(("127.0.0.1", port))
        return True
    return False

"""Ports that are handed out: never twice, never one in use by TCP or UDP."""

import socket
import subprocess
import sys

import pytest

from callrouter.scenario import ports


def test_ports_differ_until_all_were_given() -> None:
    given = [ports.free_port() for _ in range(300)]
    assert len(set(given)) == 300
    assert all(ports.FIRST <= port <= ports.LAST for port in given)


def test_port_that_nobody_asks_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that webhooks or browsers refuse, whatever listens there."""
    (free,) = ports.free_ports(1)
    monkeypatch.setattr(ports, "_candidates", lambda: iter([10_080, 10_250, 11_211, free]))
    assert ports.free_port() == free


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM], ids=["tcp", "udp"])
def test_port_in_use_is_not_given(kind: socket.SocketKind, monkeypatch: pytest.MonkeyPatch) -> None:
    taken, free = ports.free_ports(2)
    monkeypatch.setattr(ports, "_candidates", lambda: iter([taken, free]))
    with socket.socket(socket.AF_INET, kind) as opened:
        opened.bind(("127.0.0.1", taken))
        if kind is socket.SOCK_STREAM:
            opened.listen()
        assert ports.free_port() == free


def test_port_of_another_program_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    told = "import sys; from callrouter.scenario import ports; print(ports.free_port(), flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", told], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        taken = int(other.stdout.readline())
        monkeypatch.setattr(ports, "_candidates", lambda: iter([taken]))
        with pytest.raises(OSError, match="free"):
            ports.free_port()
        other.stdin.close()
        other.wait(10)
    monkeypatch.setattr(ports, "_candidates", lambda: iter([taken]))
    assert ports.free_port() == taken

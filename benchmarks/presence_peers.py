"""The same questions to servers written in C, where the machine has them: Redis for look-ups, Kamailio for REGISTER.

They know no tokens, no JSON and no HTTP, and lose everything at a power cut: what they show is how far away the metal
is, not how fast presence could be. They run on loopback only, keep nothing on disk, and are stopped afterwards.
"""

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

KAMAILIO = """
debug=0
log_stderror=yes
children=1
disable_tcp=yes
listen=udp:127.0.0.1:{port}
loadmodule "sl.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
modparam("usrloc", "db_mode", 0)
request_route {{
    if (method == "REGISTER") {{ save("location"); exit; }}
}}
"""
REGISTER = (
    "REGISTER sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK{n}\r\nMax-Forwards: 70\r\n"
    "From: <sip:h{n}@127.0.0.1>;tag={n}\r\nTo: <sip:h{n}@127.0.0.1>\r\nCall-ID: {n}@127.0.0.1\r\nCSeq: 1 REGISTER\r\n"
    "Contact: <sip:h{n}@127.0.0.1:{port}>\r\nExpires: 3600\r\nContent-Length: 0\r\n\r\n"
)
OUTSTANDING = 32
VALUE = b"x" * 1000
"""About as many bytes as the JSON of a client with three devices."""

Cpu = Callable[[int], float]
"""Seconds of CPU that a process has used."""


def redis_reads(port: int, names: int, cpu: Cpu, seconds: float) -> tuple[float, float] | None:
    """Milliseconds of CPU for an HMGET of so many names, and HGETs a second and core; None without Redis."""
    with _server(["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""], port) as pid:
        if pid is None:
            return None
        with (
            socket.create_connection(("127.0.0.1", port), 5) as connection,
            connection.makefile("rb") as answers,
        ):

            def ask(*words: str | bytes) -> None:
                parts = [word.encode() if isinstance(word, str) else word for word in words]
                connection.sendall(
                    b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(one), one) for one in parts)
                )
                for _ in range(_size(answers.readline())):
                    answers.read(_size(answers.readline()) + 2)

            every = [f"q{n}" for n in range(names)]
            for name in every:
                ask("HSET", "presence", name, VALUE)
            many = _per_second(lambda: ask("HMGET", "presence", *every), pid, cpu, seconds)
            one = _per_second(lambda: ask("HMGET", "presence", "q7"), pid, cpu, seconds)
    return 1000 / many, one


def kamailio_registers(port: int, count: int, cpu: Cpu) -> float | None:
    """REGISTERs a second and core, without authentication; None without Kamailio."""
    with tempfile.TemporaryDirectory() as folder, socket.socket(type=socket.SOCK_DGRAM) as phone:
        config = Path(folder, "kamailio.cfg")
        config.write_text(KAMAILIO.format(port=port))
        phone.bind(("127.0.0.1", 0))
        phone.settimeout(1)
        mine = phone.getsockname()[1]

        def send(n: int) -> None:
            phone.sendto(REGISTER.format(n=n, port=mine).encode(), ("127.0.0.1", port))

        def answered() -> bool:
            send(0)
            try:
                return phone.recv(4096).startswith(b"SIP/2.0 200")
            except OSError:
                return False

        command = ["kamailio", "-DD", "-E", "-f", str(config), "-Y", folder, "-m", "64"]
        with _server(command, answered) as pid:
            if pid is None:
                return None
            workers = [pid, *_children(pid)]
            used, sent = sum(map(cpu, workers)), 0
            for done in range(count):
                while sent < min(count, done + OUTSTANDING):
                    sent += 1
                    send(sent)
                phone.recv(4096)
            return count / (sum(map(cpu, workers)) - used)


def _children(pid: int) -> list[int]:
    parents = {
        int(stat.parent.name): int(stat.read_text().rpartition(")")[2].split()[1])
        for stat in Path("/proc").glob("[0-9]*/stat")
    }
    return [child for child, parent in parents.items() if parent == pid]


def _size(line: bytes) -> int:
    """Of an array or a text in Redis's protocol; a number, as HSET answers, has no parts."""
    return int(line[1:]) if line[:1] in b"*$" else 0


def _per_second(work: Callable[[], None], pid: int, cpu: Cpu, seconds: float) -> float:
    used, count, until = cpu(pid), 0, time.monotonic() + seconds
    while time.monotonic() < until:
        work()
        count += 1
    return count / (cpu(pid) - used or seconds)


@contextmanager
def _server(command: Sequence[str], ready: int | Callable[[], bool]) -> Iterator[int | None]:
    """A running server's process id; None when this machine has no such program, or it does not start."""
    program = shutil.which(command[0])
    if program is None:
        yield None
        return

    def connects() -> bool:
        with socket.socket() as probe:
            return isinstance(ready, int) and probe.connect_ex(("127.0.0.1", ready)) == 0

    child = subprocess.Popen(
        [program, *command[1:]], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/"
    )
    try:
        for _ in range(100):
            if (connects if isinstance(ready, int) else ready)():
                break
            time.sleep(0.05)
        yield child.pid if child.poll() is None else None
    finally:
        child.terminate()
        child.wait(10)

"""How many bridged phone-to-browser calls one core carries, against a bare UDP relay in the same run.

    python benchmarks/voice.py [--quick] [--calls 150] [--seconds 8]

Each call is one phone leg (plain RTP) and one browser leg (ICE, DTLS-SRTP), 50 packets of PCMU a second
each way. The node runs on one core, the load on another. The floor is an asyncio relay with the same
sockets and packets that does nothing but forward. CPU is the process's own user and system time.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import datetime
import logging
import multiprocessing
import os
import re
import select
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from aioice import stun

from callrouter.voice.client import VoiceClient, VoiceEvent
from callrouter.voice.legs.certificate import Certificate
from callrouter.voice.legs.dtls import Dtls, DtlsState
from callrouter.voice.legs.srtp import Srtp
from callrouter.voice.media.packet import RtpPacket, write_rtp
from callrouter.voice.node import NodeSettings, main

TOKEN = "benchmark-token-0123456789"
HOST = "127.0.0.1"
SLOTS = 20  # one millisecond each: every leg has its own phase


# -- what is measured ------------------------------------------------------------


def pin(core: int) -> None:
    with contextlib.suppress(AttributeError, OSError):
        os.sched_setaffinity(0, {core})


def run_node(pipe: Connection, calls: int) -> None:
    pin(0)
    logging.disable(logging.WARNING)  # it is ended in the middle of its calls, on purpose
    settings = NodeSettings(
        token=TOKEN,
        control_address=(HOST, 0),
        bind_address=HOST,
        webrtc_port=0,
        max_legs=4 * calls,
        consent_timeout=300,
        drain_timeout=0.1,
        spool=Path(tempfile.gettempdir()) / "callrouter-voice-benchmark",
        upload_grace=0.1,
        outbound_allow=("127.0.0.0/8",),
    )
    main(settings, ready=lambda node: pipe.send(node.control_address))


def run_floor(pipe: Connection, calls: int) -> None:
    """Relay datagrams between `calls` phone sockets and one browser socket."""
    pin(0)
    browsers: list[tuple[str, int]] = pipe.recv()
    phones: list[tuple[str, int]] = pipe.recv()
    index = {address: number for number, address in enumerate(browsers)}
    ports: list[asyncio.DatagramTransport] = []
    shared: list[asyncio.DatagramTransport] = []

    class FromPhone(asyncio.DatagramProtocol):
        def __init__(self, number: int) -> None:
            self.target = browsers[number]

        def datagram_received(self, data: bytes, addr: Any) -> None:
            shared[0].sendto(data, self.target)

    class FromBrowser(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: Any) -> None:
            number = index[addr]
            ports[number].sendto(data, phones[number])

    async def relay() -> None:
        loop = asyncio.get_running_loop()
        shared.append((await loop.create_datagram_endpoint(FromBrowser, local_addr=(HOST, 0)))[0])
        for number in range(calls):
            transport, _ = await loop.create_datagram_endpoint(
                partial(FromPhone, number), local_addr=(HOST, 0)
            )
            ports.append(transport)
        pipe.send([transport.get_extra_info("sockname") for transport in (*shared, *ports)])
        while True:
            await asyncio.to_thread(pipe.poll, None)
            if pipe.recv() == "end":
                return
            pipe.send(time.process_time())

    try:
        import uvloop
    except ImportError:
        asyncio.run(relay())
    else:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(relay())


# -- the load ----------------------------------------------------------------------


@dataclass(kw_only=True)
class End:
    """One far end: a phone, or a browser if it has `srtp`."""

    socket: socket.socket
    target: tuple[str, int] = (HOST, 0)
    srtp: Srtp | None = None
    sequence: int = 0
    sent: int = 0
    received: int = 0
    delays: list[float] = field(default_factory=list)

    def send(self) -> None:
        self.sequence += 1
        # The time rides in the payload: what passes through unchanged tells its own delay.
        payload = time.monotonic_ns().to_bytes(8) + b"\xff" * 152
        data = write_rtp(
            RtpPacket(0, False, self.sequence & 0xFFFF, self.sequence * 160 & 0xFFFFFFFF, 7, payload)
        )
        if self.srtp is not None:
            data = self.srtp.protect(data)
        self.socket.sendto(data, self.target)
        self.sent += 1

    def receive(self) -> None:
        while True:
            try:
                data = self.socket.recv(2048)
            except BlockingIOError:
                return
            if data[0] >> 6 != 2 or 192 <= data[1] <= 223:
                continue
            self.received += 1
            if self.srtp is None and len(data) == 172:
                self.delays.append((time.monotonic_ns() - int.from_bytes(data[12:20])) / 1e6)


def udp() -> socket.socket:
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    opened.bind((HOST, 0))
    opened.setblocking(False)
    return opened


def drive(ends: list[End], seconds: float) -> None:
    """All ends talk, each every 20 ms at its own phase, and count what they get."""
    poll = select.epoll()
    by_number = {end.socket.fileno(): end for end in ends}
    for number in by_number:
        poll.register(number, select.EPOLLIN)
    begin = time.monotonic()
    for tick in range(int(seconds * 1000)):
        for end in ends[tick % SLOTS :: SLOTS]:
            end.send()
        while True:
            left = begin + (tick + 1) / 1000 - time.monotonic()
            for number, _ in poll.poll(max(0.0, left)):
                by_number[number].receive()
            if left <= 0:
                break
    time.sleep(0.2)  # what is still under way
    for end in ends:
        end.receive()
    poll.close()


async def browser(client: VoiceClient, leg: str, certificate: Certificate) -> End:
    """Offer, check, handshake: a browser with its keys."""
    loop, end = asyncio.get_running_loop(), End(socket=udp())
    offer = (
        f"v=0\r\no=- 1 1 IN IP4 {HOST}\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\nc=IN IP4 0.0.0.0\r\n"
        f"a=rtcp-mux\r\na=mid:0\r\na=ice-ufrag:load\r\na=ice-pwd:{'p' * 24}\r\na=setup:actpass\r\n"
        f"a=fingerprint:sha-256 {certificate.fingerprint}\r\n"
    )
    answer = (await client.request("leg.create", leg=leg, kind="webrtc", sdp=offer, timeout=10))["sdp"]
    found = {
        name: re.search(rf"{name}[: ](\S+)", answer)[1]  # type: ignore[index]
        for name in ("m=audio", "ice-ufrag", "ice-pwd", "sha-256")
    }
    end.target = HOST, int(found["m=audio"])
    check = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    check.attributes.update({"USERNAME": f"{found['ice-ufrag']}:load", "PRIORITY": 1, "USE-CANDIDATE": None})
    check.add_message_integrity(found["ice-pwd"].encode())
    end.socket.sendto(bytes(check), end.target)
    await loop.sock_recv(end.socket, 2048)
    dtls = Dtls(certificate)
    dtls.start(server=False)
    while dtls.state is DtlsState.SHAKING:
        for datagram in dtls.outgoing():
            end.socket.sendto(datagram, end.target)
        dtls.receive(await asyncio.wait_for(loop.sock_recv(end.socket, 2048), 10))
    for datagram in dtls.outgoing():
        end.socket.sendto(datagram, end.target)
    dtls.verify((("sha-256", found["sha-256"]),))
    end.srtp = dtls.srtp
    return end


async def phone(client: VoiceClient, leg: str) -> End:
    end = End(socket=udp())
    port = end.socket.getsockname()[1]
    offer = (
        f"v=0\r\no=- 1 1 IN IP4 {HOST}\r\ns=-\r\nc=IN IP4 {HOST}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n"
        "a=rtcp-mux\r\n"
    )
    answer = (await client.request("leg.create", leg=leg, kind="rtp", sdp=offer, timeout=10))["sdp"]
    end.target = HOST, int(answer.split("m=audio ")[1].split()[0])
    return end


# -- one measurement -----------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Result:
    """`load` is the share of one core."""

    name: str
    calls: int
    load: float
    loss: float
    p50: float
    p99: float

    @property
    def at_60(self) -> float:
        """Calls at 60 % of the core, in proportion."""
        return self.calls * 0.6 / self.load


def outcome(name: str, ends: list[End], cpu: float, wall: float) -> Result:
    sent, received = sum(end.sent for end in ends), sum(min(end.received, end.sent) for end in ends)
    delays = np.array([delay for end in ends for delay in end.delays] or [0.0])
    p50, p99 = np.percentile(delays, [50, 99])
    return Result(
        name=name,
        calls=len(ends) // 2,
        load=cpu / wall,
        loss=1 - received / sent,
        p50=float(p50),
        p99=float(p99),
    )


@contextlib.contextmanager
def process(target: Callable[[Connection, int], None], calls: int) -> Iterator[Connection]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    child = context.Process(target=target, args=(theirs, calls), daemon=True)
    child.start()
    try:
        yield ours
    finally:
        child.terminate()
        child.join(5)
        if child.is_alive():
            child.kill()


async def measure_node(calls: int, seconds: float) -> Result:
    certificate = Certificate(datetime.datetime.now(datetime.UTC))

    async def ignore(event: VoiceEvent) -> None:
        return

    with process(run_node, calls) as pipe:
        address = await asyncio.to_thread(pipe.recv)
        client = VoiceClient(address, TOKEN, ignore, timeout=10)
        await client.start()
        ends: list[End] = []
        for number in range(calls):
            ends += [await phone(client, f"P{number}"), await browser(client, f"B{number}", certificate)]
            await client.request("bridge.make", legs=[f"P{number}", f"B{number}"])
        await asyncio.to_thread(drive, ends, 1.0)  # latches locked, caches warm
        for end in ends:
            end.sent = end.received = 0
            end.delays.clear()
        before, begin = await client.request("node.stats"), time.monotonic()
        await asyncio.to_thread(drive, ends, seconds)
        wall = time.monotonic() - begin
        after = await client.request("node.stats", timeout=10)
        await client.close()
    for end in ends:
        end.socket.close()
    return outcome("voice node", ends, after["cpu_seconds"] - before["cpu_seconds"], wall)


def measure_floor(calls: int, seconds: float) -> Result:
    phones, browsers = [End(socket=udp()) for _ in range(calls)], [End(socket=udp()) for _ in range(calls)]
    with process(run_floor, calls) as pipe:
        pipe.send([end.socket.getsockname() for end in browsers])
        pipe.send([end.socket.getsockname() for end in phones])
        shared, *ports = pipe.recv()
        for end, other, port in zip(phones, browsers, ports, strict=True):
            end.target, other.target = tuple(port), tuple(shared)
        ends = [end for pair in zip(phones, browsers, strict=True) for end in pair]
        pipe.send("time")
        before, begin = pipe.recv(), time.monotonic()
        drive(ends, seconds)
        wall = time.monotonic() - begin
        pipe.send("time")
        after = pipe.recv()
    for end in ends:
        end.socket.close()
    return outcome("bare relay", ends, after - before, wall)


def table(results: list[Result]) -> str:
    lines = [f"{'':12}{'calls':>7}{'core':>9}{'loss':>9}{'p50':>10}{'p99':>10}{'calls at 60 %':>16}"]
    for result in results:
        lines.append(
            f"{result.name:12}{result.calls:7}{result.load:9.1%}{result.loss:9.2%}"
            f"{result.p50:7.2f} ms{result.p99:7.2f} ms{result.at_60:16.0f}"
        )
    return "\n".join(lines)


def run(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="20 calls, 2 seconds")
    parser.add_argument("--calls", type=int, default=150)
    parser.add_argument("--seconds", type=float, default=8.0)
    options = parser.parse_args(argv)
    calls, seconds = (20, 2.0) if options.quick else (options.calls, options.seconds)
    pin(1)
    floor = measure_floor(calls, seconds)
    node = asyncio.run(measure_node(calls, seconds))
    print(table([floor, node]))
    print(
        f"the node costs {node.load / floor.load:.2f} times the bare relay; the bar is 150 calls at 60 % of a core"
    )


if __name__ == "__main__":
    run()

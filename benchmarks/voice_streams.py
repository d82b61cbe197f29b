"""How many phone legs one core carries whose audio is streamed to an app, against legs that are silent.

    python -m benchmarks.voice_streams [--quick] [--legs 60] [--seconds 8]

The legs are alone: no bridge. Each far end talks all the time, 50 packets of PCMU a second. Each `listening`
stream sends them to a WebSocket of the app; an `answering` one also gets 50 messages a second that are played
to the far end. Plain ws on loopback. The app is a process beside the load that counts messages and parses none
of them. Node and load as in `voice.py`.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import json
import re
import time
from dataclasses import replace
from multiprocessing.connection import Connection

from benchmarks.voice import HOST, TOKEN, Result, drive, outcome, phone, pin, process, run_node
from callrouter.voice.client import VoiceClient, VoiceEvent

_KEY = re.compile(rb"sec-websocket-key: *(\S+)", re.IGNORECASE)
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3


class App(asyncio.Protocol):
    """One WebSocket. A path says what it does: `/answering/MZ1` talks, anything else only counts."""

    messages = 0  # of all

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.open = False
        self.data = bytearray()
        self.talk: asyncio.TimerHandle | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        if self.talk is not None:
            self.talk.cancel()

    def data_received(self, data: bytes) -> None:
        self.data += data
        if not self.open and b"\r\n\r\n" in self.data:
            head, _, self.data = self.data.partition(b"\r\n\r\n")
            self.accept(bytes(head))
        while self.open and len(self.data) >= 4:
            size = self.data[1] & 0x7F
            size = 6 + size if size < 126 else 8 + int.from_bytes(self.data[2:4])
            if len(self.data) < size:
                return
            App.messages += self.data[0] & 0x0F == 1
            del self.data[:size]

    def accept(self, head: bytes) -> None:
        key = _KEY.search(head)
        assert key is not None
        proof = base64.b64encode(hashlib.sha1(key[1] + _GUID).digest())
        self.transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + proof + b"\r\n\r\n"
        )
        self.open = True
        kind, _, stream = head.split()[1].decode().strip("/").partition("/")
        if kind == "answering":
            media = {"payload": base64.b64encode(bytes(range(1, 161))).decode()}
            body = json.dumps({"event": "media", "streamSid": stream, "media": media}).encode()
            self.say(b"\x81\x7e" + len(body).to_bytes(2) + body, asyncio.get_running_loop().time())

    def say(self, frame: bytes, due: float) -> None:
        self.transport.write(frame)
        due += 0.02
        self.talk = asyncio.get_running_loop().call_at(due, self.say, frame, due)


def run_app(pipe: Connection, legs: int) -> None:
    """Sends its port; then, for everything it gets, how many messages there were so far."""
    pin(1)

    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(App, HOST, 0, backlog=legs)
        pipe.send(server.sockets[0].getsockname()[1])
        while True:
            await asyncio.to_thread(pipe.recv)
            pipe.send(App.messages)

    asyncio.run(serve())


async def measure_legs(what: str, legs: int, seconds: float) -> tuple[Result, float]:
    """Phone legs without a bridge: `silent`, `listening` or `answering`; and the share of lost chunks."""
    up = 0

    async def count(event: VoiceEvent) -> None:
        nonlocal up
        up += event.type == "stream.up"

    with process(run_app, legs) as app, process(run_node, legs) as node:
        url = f"ws://{HOST}:{await asyncio.to_thread(app.recv)}/{what}"
        client = VoiceClient(await asyncio.to_thread(node.recv), TOKEN, count, timeout=10)
        await client.start()
        ends = [await phone(client, f"P{number}") for number in range(legs)]
        order = {"account": "AC1", "call": "CA1", "track": "inbound", "bidirectional": what == "answering"}
        for number in range(legs if what != "silent" else 0):
            stream = f"MZ{number}"
            await client.request(
                "stream.start", leg=f"P{number}", stream=stream, url=f"{url}/{stream}", **order
            )
        async with asyncio.timeout(10):
            while what != "silent" and up < legs:
                await asyncio.sleep(0.05)
        await asyncio.to_thread(drive, ends, 1.0)
        for end in ends:
            end.sent = end.received = 0
        before, begin, heard = await client.request("node.stats"), time.monotonic(), messages(app)
        await asyncio.to_thread(drive, ends, seconds)
        wall, heard = time.monotonic() - begin, messages(app) - heard
        after = await client.request("node.stats", timeout=10)
        await client.close()
    for end in ends:
        end.socket.close()
        end.delays.clear()  # what they hear is not what anybody said
    found = outcome(what, ends, after["cpu_seconds"] - before["cpu_seconds"], wall)
    return replace(found, calls=legs), 0.0 if what == "silent" else 1 - heard / (legs * wall * 50)


def messages(app: Connection) -> int:
    app.send("count")
    return int(app.recv())


def run(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="20 legs, 2 seconds")
    parser.add_argument("--legs", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=8.0)
    options = parser.parse_args(argv)
    legs, seconds = (20, 2.0) if options.quick else (options.legs, options.seconds)
    pin(1)
    print(f"{legs} legs:    core per leg   more than silent   legs at 60 %     loss   chunks lost")
    silent = 0.0
    for what in ("silent", "listening", "answering"):
        found, lost = asyncio.run(measure_legs(what, legs, seconds))
        share = found.load / legs
        silent = silent or share
        print(
            f"{what:12}{share:11.3%}{share - silent:19.3%}{found.at_60:15.0f}{max(0.0, found.loss):9.2%}"
            f"{max(0.0, lost):14.2%}"
        )


if __name__ == "__main__":
    run()

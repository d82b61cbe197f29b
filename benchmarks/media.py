"""A hundred callers who hear the same new prompt at once: how often its origin is asked, and how long it takes.

    python -m benchmarks.media [--quick] [--callers 100] [--rounds 20]

Each caller is one request as a voice node makes it, on a connection that is open already, for a prompt of five
seconds that nobody has asked for before. The media service fetches the WAV once, converts it once, and gives all
of them the same bytes. The floor is a bare asyncio server with the converted bytes in its memory, asked by the
same callers in turn with the service, round by round.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import math
import multiprocessing
import statistics
import sys
import tempfile
import threading
import time
import wave
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path
from socket import socket
from typing import Any, ClassVar
from urllib.parse import quote

import numpy as np

from callrouter.media.server import MediaServer
from foundation import logs
from foundation.keys import Keys
from foundation.settings import Settings
from foundation.webserver.serve import Listener, serve
from foundation.webserver.service import service_token

HOST = "127.0.0.1"
ACCOUNT = "AC" + "a" * 32
KEYS = ["a master key that only this benchmark knows"]
PROMPT_SECONDS = 5
PATIENCE = 60.0


# -- what is measured, and the floor


@dataclass(frozen=True, kw_only=True)
class _Told(Listener):
    """A listener on a free port that tells which one it got."""

    bind: str = f"{HOST}:0"
    pipe: Connection = field(kw_only=True)

    def open(self) -> socket:
        opened = super().open()
        opened.listen(1_000)
        self.pipe.send(opened.getsockname()[1])
        return opened


def run_media(pipe: Connection, folder: str) -> None:
    settings = Settings(
        data_dir=Path(folder),
        outbound_allow=(HOST,),
        speech_engine="none",
        recognition_engine="none",
        log_level="error",
    )
    logs.configure(settings, "media")
    server = MediaServer(settings, Keys(KEYS))
    asyncio.run(serve(server, [_Told(pipe=pipe)], asyncio.Event()))


def run_floor(pipe: Connection, folder: str) -> None:
    """Answers every request with the bytes that it was given."""
    body: bytes = pipe.recv()
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: audio/basic\r\nContent-Length: %d\r\n\r\n%b" % (
        len(body),
        body,
    )

    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(answer)
                await writer.drain()
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(reply, HOST, 0, backlog=1_000)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


@contextmanager
def process(target: Callable[[Connection, str], None], folder: str) -> Iterator[Connection]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    child = context.Process(target=target, args=(theirs, folder), daemon=True)
    child.start()
    try:
        yield ours
    finally:
        child.kill()
        child.join()


# -- the prompt's origin


def prompt() -> bytes:
    """A WAV file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(16_000)
        noise = np.random.default_rng(1).normal(0, 3_000, PROMPT_SECONDS * 16_000)
        writer.writeframes(noise.astype("<i2").tobytes())
    return file.getvalue()


class Origin(BaseHTTPRequestHandler):
    """The customer's web server; it counts."""

    protocol_version = "HTTP/1.1"
    body = prompt()
    asked: ClassVar[Counter[str]] = Counter()

    def do_GET(self) -> None:
        self.asked[self.path] += 1
        self.send_response(200)
        for name, value in (("Content-Type", "audio/wav"), ("Cache-Control", "max-age=600")):
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, format: str, *args: Any) -> None:
        return


# -- the callers


async def at_once(port: int, callers: int, path: str) -> tuple[float, set[bytes]]:
    """Seconds until the last of them had everything, and what they got."""
    head = f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {service_token(Keys(KEYS), 'media', 'b')}"
    request = f"{head}\r\n\r\n".encode()
    opened = [await asyncio.open_connection(HOST, port) for _ in range(callers)]

    async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(request)
        got = await reader.readuntil(b"\r\n\r\n")
        if not got.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"refused: {got.decode()}")
        lengths = (
            line.partition(b":")[2] for line in got.splitlines() if line.lower().startswith(b"content-length")
        )
        return await reader.readexactly(int(next(lengths)))

    began = time.perf_counter()
    async with asyncio.timeout(PATIENCE):
        bodies = set(await asyncio.gather(*(ask(*one) for one in opened)))
    took = time.perf_counter() - began
    for _, writer in opened:
        writer.close()
    return took, bodies


def measure(callers: int, rounds: int, folder: str) -> bool:
    """Prints; whether one upstream request was made for each prompt and all got the same."""
    origin = ThreadingHTTPServer((HOST, 0), Origin)
    threading.Thread(target=origin.serve_forever, daemon=True).start()
    times: dict[str, list[float]] = {"new": [], "kept": [], "floor": []}
    alike = True
    with process(run_media, folder) as media, process(run_floor, folder) as floor:
        port, bare = media.recv(), 0
        for number in range(rounds + 1):
            url = quote(f"http://{HOST}:{origin.server_port}/prompt-{number}.wav", safe="")
            path = f"/v1/Accounts/{ACCOUNT}/files?url={url}"
            new, got = asyncio.run(at_once(port, callers, path))
            kept, again = asyncio.run(at_once(port, callers, path))
            if not bare:
                floor.send(next(iter(got)))
                bare = floor.recv()
            least, plain = asyncio.run(at_once(bare, callers, "/"))
            alike = alike and len(got) == 1 and got == again == plain
            if number:  # the first one warms everything up
                for name, took in (("new", new), ("kept", kept), ("floor", least)):
                    times[name].append(took)
    origin.shutdown()
    origin.server_close()
    asked = sorted(Origin.asked.values())
    least = statistics.median(times["floor"])
    print(
        f"{callers} callers, {rounds} prompts of {PROMPT_SECONDS} s; medians until the last caller had all of it"
    )
    print(f"  upstream requests for each prompt   {asked[0]}-{asked[-1]}   (bar: 1)")
    for name, what in (("new", "a new prompt"), ("kept", "a kept prompt"), ("floor", "floor")):
        took = statistics.median(times[name])
        slowest = sorted(times[name])[math.ceil(0.95 * rounds) - 1]
        print(
            f"  {what:16}{took * 1000:8.1f} ms   p95 {slowest * 1000:6.1f} ms   {took / least:5.1f} x the floor"
        )
    if not alike:
        print("FAULT: not all callers got the same bytes")
    return alike and asked[0] == asked[-1] == 1


def run(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="3 rounds")
    parser.add_argument("--callers", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        return 0 if measure(options.callers, 3 if options.quick else options.rounds, folder) else 1


if __name__ == "__main__":
    sys.exit(run())

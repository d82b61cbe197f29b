"""How many phone legs one core carries that hear a sound, or are recorded, against legs that are silent.

    python -m benchmarks.voice_sounds [--quick] [--legs 200] [--seconds 8]

The legs are alone: no bridge. Each far end talks all the time, 50 packets of PCMU a second. The sound is in
the node's memory after the first leg asked for it; recordings go to the temporary folder. Node and load as
in `voice.py`.
"""

from __future__ import annotations

import argparse
import asyncio
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from benchmarks.voice import HOST, TOKEN, Result, drive, outcome, phone, pin, process, run_node
from callrouter.voice.client import VoiceClient, VoiceEvent


class MediaStub(BaseHTTPRequestHandler):
    """The media service's two answers."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.reply("audio/basic", bytes(range(1, 127)) * 500)

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.reply("application/json", b'{"seconds": 1, "silent": false}')

    def reply(self, kind: str, body: bytes) -> None:
        self.send_response(200)
        for name, value in (
            ("Content-Type", kind),
            ("Content-Length", len(body)),
            ("Cache-Control", "max-age=60"),
        ):
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        return


async def measure_legs(what: str, legs: int, seconds: float, media: str) -> Result:
    """Phone legs without a bridge: `silent`, `hearing` a sound, or `recorded`."""

    async def ignore(event: VoiceEvent) -> None:
        return

    with process(run_node, legs) as pipe:
        client = VoiceClient(await asyncio.to_thread(pipe.recv), TOKEN, ignore, timeout=10)
        await client.start()
        ends = [await phone(client, f"P{number}") for number in range(legs)]
        for number in range(legs):
            leg = f"P{number}"
            if what == "hearing":
                await client.request("leg.play", leg=leg, url=f"{media}/sound", loop=0)
            elif what == "recorded":
                upload = f"{media}/{leg}"
                await client.request(
                    "leg.record", leg=leg, recording="RE", upload=upload, silence=60, max_length=600
                )
        await asyncio.to_thread(drive, ends, 1.0)
        for end in ends:
            end.sent = end.received = 0
        before, begin = await client.request("node.stats"), time.monotonic()
        await asyncio.to_thread(drive, ends, seconds)
        wall = time.monotonic() - begin
        after = await client.request("node.stats", timeout=10)
        for number in range(legs):
            await client.request("leg.close", leg=f"P{number}", timeout=10)
        await client.close()
    for end in ends:
        end.socket.close()
        end.delays.clear()  # what they hear is not what anybody said
    return replace(outcome(what, ends, after["cpu_seconds"] - before["cpu_seconds"], wall), calls=legs)


def run(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="20 legs, 2 seconds")
    parser.add_argument("--legs", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=8.0)
    options = parser.parse_args(argv)
    legs, seconds = (20, 2.0) if options.quick else (options.legs, options.seconds)
    pin(1)
    server = ThreadingHTTPServer((HOST, 0), MediaStub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    media = f"http://{HOST}:{server.server_port}"
    print(f"{legs} legs:    core per leg   legs at 60 %     loss")
    for what in ("silent", "hearing", "recorded"):
        found = asyncio.run(measure_legs(what, legs, seconds, media))
        print(f"{what:12}{found.load / legs:11.3%}{found.at_60:15.0f}{max(0.0, found.loss):9.2%}")
    server.shutdown()


if __name__ == "__main__":
    run()

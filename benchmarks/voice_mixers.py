"""What a leg in a conference costs, against a leg that is silent.

    python -m benchmarks.voice_mixers [--quick] [--legs 200] [--seconds 8]

Phone legs in rooms of 8. Each far end sends 50 packets of PCMU a second all the time: in the rooms with one
speaker the other seven send digital silence, in the others all eight talk at once. The floor is the same legs
without a room: they hear silence. Node and load as in `voice.py`. The figure to reach is 0.06 to 0.08 % of a core
per leg, floor included: a prototype that did nothing else needed so much.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.voice import TOKEN, End, Result, drive, outcome, phone, pin, process, run_node
from callrouter.voice.client import VoiceClient, VoiceEvent
from callrouter.voice.media import g711
from callrouter.voice.media.packet import RtpPacket, write_rtp

ROOM = 8
FLOOR = "silent, no room"
SPEAKING = {FLOOR: 0, "one speaks": 1, "two speak": 2, "all speak": ROOM}


@dataclass(kw_only=True)
class Talker(End):
    """A far end that says the same 20 ms again and again."""

    payload: bytes = b"\xff" * 160

    def send(self) -> None:
        self.sequence += 1
        stamp = self.sequence * 160 & 0xFFFFFFFF
        packet = RtpPacket(0, False, self.sequence & 0xFFFF, stamp, 7, self.payload)
        self.socket.sendto(write_rtp(packet), self.target)
        self.sent += 1


def voice(number: int) -> bytes:
    wave = np.sin(2 * np.pi * 50 * (number % ROOM + 5) * np.arange(160) / 8000) * 4000
    return g711.encode(wave)


async def talker(client: VoiceClient, number: int, speaking: int) -> Talker:
    end = await phone(client, f"P{number}")
    payload = voice(number) if number % ROOM < speaking else b"\xff" * 160
    return Talker(socket=end.socket, target=end.target, payload=payload)


async def measure_rooms(what: str, legs: int, seconds: float) -> Result:
    async def ignore(event: VoiceEvent) -> None:
        return

    with process(run_node, legs) as pipe:
        client = VoiceClient(await asyncio.to_thread(pipe.recv), TOKEN, ignore, timeout=10)
        await client.start()
        ends: list[End] = [await talker(client, number, SPEAKING[what]) for number in range(legs)]
        for number in range(legs if what != FLOOR else 0):
            await client.request("room.join", leg=f"P{number}", room=f"R{number // ROOM}")
        await asyncio.to_thread(drive, ends, 1.0)
        for end in ends:
            end.sent = end.received = 0
        before, begin = await client.request("node.stats"), time.monotonic()
        await asyncio.to_thread(drive, ends, seconds)
        wall = time.monotonic() - begin
        after = await client.request("node.stats", timeout=10)
        await client.close()
    for end in ends:
        end.socket.close()
        end.delays.clear()  # a sum tells no time
    return replace(outcome(what, ends, after["cpu_seconds"] - before["cpu_seconds"], wall), calls=legs)


def run(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="40 legs, 2 seconds")
    parser.add_argument("--legs", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=8.0)
    options = parser.parse_args(argv)
    legs, seconds = (40, 2.0) if options.quick else (options.legs, options.seconds)
    pin(1)
    print(f"{legs} legs, rooms of {ROOM}:  core per leg  over the floor  legs at 60 %     loss")
    floor = 0.0
    for what in SPEAKING:
        found = asyncio.run(measure_rooms(what, legs, seconds))
        floor = floor or found.load / legs
        print(
            f"{what:22}{found.load / legs:13.3%}{found.load / legs - floor:16.3%}"
            f"{found.at_60:14.0f}{max(0.0, found.loss):9.2%}"
        )
    print("the figure to reach is 0.06 to 0.08 % of a core per leg, floor included")


if __name__ == "__main__":
    run()

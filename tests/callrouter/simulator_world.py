"""The simulated carrier and a small router of our own, which answers calls with a bare RTP echo."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import requests

from callrouter.audio.ear import Ear, dominant_hz
from callrouter.audio.sources import Tone
from callrouter.carriers.simulator import SimulatedCarrier
from callrouter.carriers.simulator.rtp import RtpSession
from callrouter.voice.media.dtmf import DigitReader
from callrouter.voice.media.g711 import decode
from callrouter.voice.media.packet import parse_rtp
from foundation.outbound.signature import sign_body
from tests.support.fake_router import FakeRouter
from tests.support.simulated_carrier import SECRET


class EchoPhone:
    """A UDP port that sends every packet back and keeps what it saw."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(0.2)
        self.packets: list[bytes] = []
        self._running = True
        self._thread = threading.Thread(target=self._echo)
        self._thread.start()

    @property
    def sdp(self) -> str:
        port = self.socket.getsockname()[1]
        lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "c=IN IP4 127.0.0.1", "t=0 0"]
        lines += [f"m=audio {port} RTP/AVP 0 96", "a=rtpmap:0 PCMU/8000", "a=rtpmap:96 telephone-event/8000"]
        return "\r\n".join(lines) + "\r\n"

    def heard(self) -> float | None:
        sound = b"".join(p.payload for p in map(parse_rtp, self.packets[-50:]) if p and p.payload_type == 0)
        return dominant_hz(decode(sound))

    def digits(self) -> str:
        reader = DigitReader()
        packets = [p for p in map(parse_rtp, self.packets) if p and p.payload_type == 96]
        return "".join(reader.read(p.ssrc, p.timestamp, p.payload) or "" for p in packets)

    def close(self) -> None:
        self._running = False
        self._thread.join(5)
        self.socket.close()

    def _echo(self) -> None:
        while self._running:
            try:
                data, sender = self.socket.recvfrom(2000)
            except TimeoutError:
                continue
            self.packets.append(data)
            self.socket.sendto(data, sender)


def told(router: FakeRouter) -> list[str]:
    return [body["type"] for path, body in router.received if path.endswith("/events")]


def command(carrier: SimulatedCarrier, call_id: str, type: str, **fields: Any) -> requests.Response:
    key = fields.pop("key", uuid.uuid4().hex)
    body = json.dumps({"id": key, "type": type, **fields}).encode()
    now = int(time.time())
    headers = {"X-Callrouter-Timestamp": str(now), "X-Callrouter-Signature": sign_body(SECRET, now, body)}
    url = f"{carrier.control_url}/calls/{call_id}/commands"
    return requests.post(url, data=body, headers=headers, timeout=5)


async def commanded(carrier: SimulatedCarrier, call_id: str, type: str, **fields: Any) -> int:
    response = await asyncio.to_thread(command, carrier, call_id, type, **fields)
    return response.status_code


@contextmanager
def echo_phone() -> Iterator[EchoPhone]:
    phone = EchoPhone()
    try:
        yield phone
    finally:
        phone.close()


async def dial(carrier: SimulatedCarrier, **fields: Any) -> int:
    phone = RtpSession(Tone(hz=480), Ear())
    await phone.open("127.0.0.1")
    fields = {"from": "+15550199", "to": "+15550142", "sdp": phone.offer(), **fields}
    phone.close()
    return await commanded(carrier, "CA7", "dial", **fields)


async def eventually(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.01)

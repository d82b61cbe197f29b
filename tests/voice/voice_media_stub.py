"""A media service for the voice node's tests: a scripted origin that serves mu-law and takes recordings."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
from voice_peers import until

from callrouter.voice.media import g711
from tests.support.origin import Origin, Received, Script, Step

RATE = 8000
CREDENTIALS = {"Authorization": "Bearer service-token"}


def ulaw(hertz: int, seconds: float) -> bytes:
    """A tone without a single silent byte, so that frames can be counted."""
    wave = np.sin(2 * np.pi * hertz * (np.arange(round(seconds * RATE)) + 0.5) / RATE) * 9000
    return g711.encode(wave).replace(b"\xff", b"\xfe")


def answer(status: int, body: bytes, *lines: str, kind: str = "audio/basic") -> list[Step]:
    head = [f"HTTP/1.1 {status} Scripted", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *lines]
    return ["\r\n".join([*head, "", ""]).encode() + body]


def fault(status: int, code: int, message: str) -> list[Step]:
    """The service's error body with its four keys."""
    body = json.dumps({"code": code, "message": message, "more_info": "", "status": status}).encode()
    return answer(status, body, kind="application/json")


def receipt(seconds: int, silent: bool = False) -> list[Step]:
    body = json.dumps({"seconds": seconds, "silent": silent}).encode()
    return answer(201, body, kind="application/json")


def measured(request: Received) -> Script:
    """A receipt by what was sent, as the service would write it without trimming."""
    return receipt(int(len(request.body) / RATE + 0.5), set(request.body) <= {0xFF})


def in_turn(*scripts: Script) -> Callable[[Received], Script]:
    """The scripts one request after the other; the last one for ever."""
    left = list(scripts)
    return lambda request: left.pop(0) if len(left) > 1 else left[0]


async def requests(origin: Origin, count: int) -> list[Received]:
    await until(lambda: len(origin.received) >= count)
    return origin.received


async def record(client: Any, origin: Origin, leg: str = "A", **fields: Any) -> None:
    values = {"recording": "RE1", "upload": origin.url("/RE1"), "max_length": 60, **fields}
    await client.request("leg.record", leg=leg, **values)

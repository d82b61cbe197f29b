"""The `stream.*` commands: a leg's audio to an app's WebSocket, and the app's to the leg."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from foundation.outbound import Guard

from . import fields
from .contract import ErrorCode, Request, VoiceError
from .legs.leg import Emit, Leg
from .media.ticker import Ticker
from .settings import NodeSettings
from .stream import LINGER, Cause, Stream
from .stream_messages import StreamOrder
from .stream_socket import Door

_MAX_PER_LEG = 5  # Twilio: four that listen, one that answers
_TRACKS = {"inbound": ("inbound",), "outbound": ("outbound",), "both": ("inbound", "outbound")}
_SID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")  # RFC 9110 section 5.6.2
_VALUE = re.compile(r"[\x20-\x7e]{0,4096}")
_OURS = re.compile(
    r"host|connection|upgrade|content-length|transfer-encoding|sec-websocket-.*", re.IGNORECASE
)
_MAX_PAIRS = 100
_KEYS = re.compile(r"[0-9*#A-DwW]{1,128}")


class Streams:
    """`leg` finds a leg for a router that commands it. Each stream ends with one `stream.done`, before its leg does."""

    def __init__(
        self, settings: NodeSettings, *, leg: Callable[[str, str], Leg], emit: Emit, ticker: Ticker
    ) -> None:
        self._leg = leg
        self._emit = emit
        self._ticker = ticker
        self._door = Door(
            Guard.of(settings.outbound_allow),
            ca_bundle=settings.outbound_ca,
            seconds=settings.stream_timeout,
            silence=settings.stream_silence,
        )
        self._running: dict[tuple[str, str], Stream] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._dropped = 0  # of streams that are over

    def __len__(self) -> int:
        return len(self._running)

    @property
    def dropped(self) -> int:
        """Chunks of 20 ms that apps never got, because they were too slow."""
        return self._dropped + sum(stream.dropped for stream in self._running.values())

    def table(self) -> Mapping[str, Callable[[str, Request], dict[str, Any]]]:
        return {"stream.start": self._start, "stream.stop": self._stop, "stream.press": self._press}

    def _start(self, owner: str, request: Request) -> dict[str, Any]:
        """{leg, stream, url, account, call, track, bidirectional?, headers{}?, parameters{}?} -> {stream}

        Opened in the background: `stream.up` or `stream.done` tells how that went. Nothing happens if it runs.
        """
        order = _order(request)
        leg = self._leg(owner, fields.leg(request))
        key = leg.id, order.stream
        if key in self._running:
            return {"stream": order.stream}
        others = [stream.order for stream in self._running.values() if stream.leg is leg]
        if len(others) >= _MAX_PER_LEG:
            raise VoiceError(
                ErrorCode.AT_CAPACITY, f"{_MAX_PER_LEG} streams of this leg run already: stop one"
            )
        if order.bidirectional and any(other.bidirectional for other in others):
            raise VoiceError(
                ErrorCode.AT_CAPACITY, "another stream speaks on this leg already: stop it first"
            )
        report = partial(self._emit, leg.id, stream=order.stream)
        stream = Stream(order, leg, door=self._door, ticker=self._ticker, report=report, ended=self._ended)
        self._running[key] = stream
        task = stream.begin()
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return {"stream": order.stream}

    def _stop(self, owner: str, request: Request) -> dict[str, Any]:
        """{leg, stream} -> {}; also when it has ended. `stream.done` says `stopped`."""
        stream = self._running.get((fields.leg(request), fields.text(request, "stream")))
        if stream is not None:
            self._leg(owner, stream.leg.id)
            stream.end(Cause.STOPPED)
        return {}

    def _press(self, owner: str, request: Request) -> dict[str, Any]:
        """{leg, digits} -> {}: keys that came beside the leg's audio, as those of browsers do; pauses do not count."""
        leg = self._leg(owner, fields.leg(request))
        digits = fields.text(request, "digits")
        if not _KEYS.fullmatch(digits):
            raise fields.refusal("stream.press needs `digits`, at most 128 of 0-9, *, #, A-D and w")
        for digit in digits.replace("w", "").replace("W", ""):
            self.pressed(leg.id, digit)
        return {}

    def pressed(self, leg_id: str, digit: str) -> None:
        """The far end of a leg pressed a key."""
        for stream in self._of(leg_id):
            stream.pressed(digit)

    def hung_up(self, leg_id: str) -> None:
        """The leg is about to be closed."""
        for stream in self._of(leg_id):
            stream.end(Cause.HANGUP)

    async def close(self) -> None:
        """When all legs are closed: a moment for what is still on its way to apps."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=LINGER + 1)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._door.close()

    def _of(self, leg_id: str) -> list[Stream]:
        return [stream for key, stream in self._running.items() if key[0] == leg_id]

    def _ended(self, stream: Stream) -> None:
        self._dropped += stream.dropped
        del self._running[stream.leg.id, stream.order.stream]


def _order(request: Request) -> StreamOrder:
    return StreamOrder(
        stream=_sid(request, "stream"),
        url=fields.text(request, "url"),
        account=_sid(request, "account"),
        call=_sid(request, "call"),
        tracks=_tracks(request),
        bidirectional=fields.flag(request, "bidirectional"),
        headers=_headers(request),
        parameters=_pairs(request, "parameters"),
    )


def _sid(request: Request, name: str) -> str:
    value = fields.text(request, name)
    if not _SID.fullmatch(value):
        raise fields.refusal(f"{request.type}: `{name}` is 1 to 64 letters and digits")
    return value


def _tracks(request: Request) -> tuple[str, ...]:
    track = fields.text(request, "track")
    if track not in _TRACKS:
        raise fields.refusal(f"{request.type}: `track` is inbound, outbound or both")
    return _TRACKS[track]


def _headers(request: Request) -> dict[str, str]:
    headers = _pairs(request, "headers")
    for name, value in headers.items():
        if not _HEADER.fullmatch(name) or not _VALUE.fullmatch(value) or _OURS.fullmatch(name):
            raise fields.refusal(f"{request.type}: the header {name[:64]!a} cannot be sent")
    return headers


def _pairs(request: Request, name: str) -> dict[str, str]:
    value = request.fields.get(name, {})
    if not isinstance(value, dict) or len(value) > _MAX_PAIRS:
        raise fields.refusal(f"{request.type}: `{name}` is an object of at most {_MAX_PAIRS} strings")
    if not all(isinstance(each, str) for each in value.values()):
        raise fields.refusal(f"{request.type}: `{name}` has strings only")
    return value

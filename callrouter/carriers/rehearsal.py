"""A simulated carrier inside the router, which brings a call when somebody asks for one in the console.

For development only: it is the caller's side of a call that nobody pays for. It speaks to the router by the protocol of
carriers like any other, on a thread and an event loop of its own.
"""

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Coroutine, Iterator
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from itertools import cycle, repeat
from typing import Any, TypeVar

import numpy as np

from callrouter.audio.sources import SILENT, Silence, Source, Tone
from callrouter.carriers.simulator import (
    CallRefused,
    DialScript,
    RouterUnreachable,
    SimulatedCall,
    SimulatedCarrier,
)
from callrouter.voice.media.g711 import Samples, decode
from callrouter.voice.media.packet import SAMPLES
from foundation.webserver.serve import AddressTaken

T = TypeVar("T")

PATIENCE = 10.0
KEPT = 50
"""Calls that can still be asked about."""
LONGEST = 600.0
"""Seconds after which the simulated caller hangs up, also when nobody watches any more."""
PAUSE = 100
"""Frames of silence, two seconds, before a voice begins again."""
TONE_HZ = 600
HEARD = 1.0
"""Seconds of sound that tell what the caller hears (`SimulatedCall.report`)."""
LOUD = 3000.0
"""Root mean square of a loud voice."""


class RehearsalFailed(Exception):
    """No call came of it; the message says why and what to do."""


@dataclass(frozen=True, kw_only=True)
class Voice:
    """Says the same again and again; `mulaw` is G.711 at 8,000 Hz."""

    mulaw: bytes

    def frames(self) -> Iterator[Samples]:
        whole = decode(self.mulaw)
        whole = np.pad(whole, (0, -len(whole) % SAMPLES))
        spoken = [whole[start : start + SAMPLES] for start in range(0, len(whole), SAMPLES)]
        yield from cycle([*spoken, *repeat(SILENT, PAUSE)])


class Rehearsal:
    """Safe to use from many threads. Its carriers start when they are first needed."""

    def __init__(self, router_url: str) -> None:
        self._router_url = router_url
        self._carriers: dict[str, SimulatedCarrier] = {}
        self._calls: OrderedDict[str, SimulatedCall] = OrderedDict()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread()
        self._starting = threading.Lock()
        self._door: asyncio.Lock | None = None

    def open(self, name: str, secret: str, listen: str) -> None:
        """Is this carrier from now on, so that calls to the telephone network are answered. RehearsalFailed."""
        self._run(self._carrier(name, secret, listen))

    def call(self, name: str, secret: str, listen: str, *, from_: str, to: str, says: Source) -> str:
        """A call comes in by that carrier; its SID. RehearsalFailed when the router does not take it."""
        return self._run(self._call(name, secret, listen, from_, to, says))

    def state(self, call_sid: str) -> dict[str, Any] | None:
        """The caller's side: `state`, `heard_hz`, and how loud it is there, `level` from 0 to 1. None: not ours."""
        call = self._calls.get(call_sid)
        return None if call is None else self._run(_state(call))

    def hang_up(self, call_sid: str) -> None:
        if (call := self._calls.get(call_sid)) is not None:
            self._run(call.hangup())

    async def _call(self, name: str, secret: str, listen: str, from_: str, to: str, says: Source) -> str:
        carrier = await self._carrier(name, secret, listen)
        try:
            call = await carrier.call(from_, to, source=says)
        except (CallRefused, RouterUnreachable) as fault:
            raise RehearsalFailed(f"The router did not take the call: {fault}") from fault
        asyncio.get_running_loop().call_later(LONGEST, lambda: asyncio.ensure_future(call.hangup()))
        self._calls[call.call_sid] = call
        while len(self._calls) > KEPT:
            self._calls.popitem(last=False)
        return call.call_sid

    async def _carrier(self, name: str, secret: str, listen: str) -> SimulatedCarrier:
        self._door = self._door or asyncio.Lock()
        async with self._door:
            known = self._carriers.get(name)
            if known is not None and known.secret == secret:
                return known
            if known is not None:
                await known.close()
            script = DialScript(answer_after=2.0, source=Tone(hz=TONE_HZ))
            made = SimulatedCarrier(name, secret, self._router_url, listen=listen, script=script)
            try:
                await made.start()
            except AddressTaken as taken:
                remedy = "is `callrouter simulate` running? Stop it, or let it place the call"
                raise RehearsalFailed(f"The carrier {name} cannot listen at {listen}: {remedy}.") from taken
            self._carriers[name] = made
            return made

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        with self._starting:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=_turn, args=(self._loop,), daemon=True, name="rehearsal"
                )
                self._thread.start()
            loop = self._loop
        try:
            return asyncio.run_coroutine_threadsafe(work, loop).result(PATIENCE)
        except FutureTimeout as late:
            raise RehearsalFailed(f"The router did not take the call within {PATIENCE:.0f} s.") from late

    def close(self) -> None:
        """Drops its calls. Idempotent."""
        with self._starting:
            loop, self._loop = self._loop, None
        if loop is not None:
            asyncio.run_coroutine_threadsafe(self._close(), loop).result(PATIENCE)
            loop.call_soon_threadsafe(loop.stop)
            self._thread.join(PATIENCE)

    async def _close(self) -> None:
        for carrier in self._carriers.values():
            await carrier.close()
        self._carriers.clear()


def _turn(loop: asyncio.AbstractEventLoop) -> None:
    loop.run_forever()
    loop.close()


def sound(says: str, mulaw: bytes | None) -> Source:
    """What the caller says: a `voice` (these bytes, or a tone where nothing can speak), a `tone`, or nothing."""
    if says == "silence":
        return Silence()
    return Voice(mulaw=mulaw) if mulaw and says == "voice" else Tone(hz=TONE_HZ)


async def _state(call: SimulatedCall) -> dict[str, Any]:
    report = call.report()
    if report.ended_after is not None:
        state = f"ended: {report.cause}"
    else:
        state = "talking" if report.answered_after is not None else "ringing"
    heard = call.rtp.ear.last(0.4).astype(np.float64)
    loud = float(np.sqrt(np.mean(heard**2))) if len(heard) and state == "talking" else 0.0
    return {
        "state": state,
        "over": report.ended_after is not None,
        "heard_hz": report.heard_hz,
        "level": round(min(1.0, loud / LOUD), 3),
    }

"""One call of the simulated carrier, from its far end's point of view."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from callrouter.carriers.simulator.rtp import RtpSession
from callrouter.carriers.simulator.script import Outcome

T = TypeVar("T")
SendEvent = Callable[["SimulatedCall", str, Mapping[str, Any]], Awaitable[None]]


class Direction(StrEnum):
    INBOUND = "inbound"
    """From a caller into the router."""
    OUTBOUND = "outbound"
    """Placed for the router by `dial`."""


class Cause(StrEnum):
    """Why a call ended, in the words of docs/protocols/carrier.md."""

    NORMAL = "normal"
    BUSY = "busy"
    NO_ANSWER = "no-answer"
    REJECTED = "rejected"
    CANCELED = "canceled"
    UNREACHABLE = "unreachable"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Ending:
    """`by` is `router` or `carrier`."""

    by: str
    cause: Cause


class CallEnded(Exception):
    """What was awaited can't happen any more; `ending` says why."""

    def __init__(self, ending: Ending) -> None:
        super().__init__(f"the call was ended by the {ending.by}: {ending.cause}")
        self.ending = ending


@dataclass(frozen=True, kw_only=True)
class Report:
    """The whole call in one value. Times are seconds since it began; `heard_hz` is of its last second."""

    id: str
    call_sid: str
    direction: Direction
    from_: str
    to: str
    ringing_after: float | None
    answered_after: float | None
    ended_after: float | None
    ended_by: str | None
    cause: Cause | None
    heard_hz: float | None
    digits_received: str
    packets_sent: int
    packets_received: int
    packets_lost: int


class SimulatedCall:
    """`ringing`, `answered` and `ended` may be awaited by anyone, any number of times, under a timeout of
    theirs; the first two raise CallEnded once they can't happen any more."""

    def __init__(
        self, *, id: str, direction: Direction, from_: str, to: str, rtp: RtpSession, send: SendEvent
    ) -> None:
        self.id, self.direction, self.from_, self.to, self.rtp = id, direction, from_, to, rtp
        self.call_sid = id if direction is Direction.OUTBOUND else ""
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._times: dict[str, float] = {}
        self._ringing: asyncio.Future[None] = self._loop.create_future()
        self._answered: asyncio.Future[None] = self._loop.create_future()
        self._ended: asyncio.Future[Ending] = self._loop.create_future()
        self._decided: asyncio.Future[Outcome] = self._loop.create_future()

    @property
    def ringing(self) -> asyncio.Future[None]:
        return asyncio.shield(self._ringing)

    @property
    def answered(self) -> asyncio.Future[None]:
        return asyncio.shield(self._answered)

    @property
    def ended(self) -> asyncio.Future[Ending]:
        return asyncio.shield(self._ended)

    @property
    def over(self) -> bool:
        return self._ended.done()

    @property
    def talking(self) -> bool:
        """Answered, and not over."""
        return self._answered.done() and not self._ended.done()

    async def heard(self, seconds: float = 1.0) -> float | None:
        """Listens: the dominant frequency in Hz, None for silence. TimeoutError when no audio flows."""
        return await self.rtp.ear.heard(seconds)

    async def press(self, digits: str, *, signalled: bool = False) -> None:
        """Presses keys (`w`: half a second). Returns when they are out; ValueError for what is no key.

        They go in the audio as telephone-events, or by a `dtmf` event if the far end takes none there.
        """
        if signalled or not self.rtp.takes_events:
            await self._send(self, "dtmf", {"digits": digits})
        else:
            await asyncio.sleep(self.rtp.press(digits))

    async def hangup(self, cause: Cause = Cause.NORMAL) -> None:
        """Hangs up here, answered or not, and tells the router. Nothing if the call is over."""
        if self.end(Ending(by="carrier", cause=cause)):
            await self._send(self, "hangup", {"cause": cause})

    def decide(self, outcome: Outcome) -> None:
        """What becomes of a call that rings by `Outcome.ASK`; only the first decision counts."""
        if not self._decided.done():
            self._decided.set_result(outcome)

    async def decided(self, seconds: float) -> Outcome:
        """The decision; NO_ANSWER without one in that time, or when the call ended."""
        either: list[asyncio.Future[Any]] = [self._decided, self._ended]
        await asyncio.wait(either, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        return self._decided.result() if self._decided.done() else Outcome.NO_ANSWER

    async def over_within(self, seconds: float) -> bool:
        """Waits for the end, but no longer than this; whether it is over."""
        await asyncio.wait([self._ended], timeout=seconds)
        return self._ended.done()

    def ring(self) -> None:
        self._happened("ringing", self._ringing, None)

    def answer(self) -> None:
        self._happened("answered", self._answered, None)

    def end(self, ending: Ending) -> bool:
        """Ends it here; False if it had ended before."""
        if not self._happened("ended", self._ended, ending):
            return False
        self.rtp.close()
        for future in (self._ringing, self._answered):
            if not future.done():
                future.set_exception(CallEnded(ending))
                future.exception()  # nobody need have waited for it
        return True

    def report(self) -> Report:
        ending = self._ended.result() if self._ended.done() else None
        return Report(
            id=self.id,
            call_sid=self.call_sid,
            direction=self.direction,
            from_=self.from_,
            to=self.to,
            ringing_after=self._times.get("ringing"),
            answered_after=self._times.get("answered"),
            ended_after=self._times.get("ended"),
            ended_by=ending.by if ending else None,
            cause=ending.cause if ending else None,
            heard_hz=self.rtp.ear.latest(1.0),
            digits_received=self.rtp.digits_received,
            packets_sent=self.rtp.packets_sent,
            packets_received=self.rtp.reception.packets,
            packets_lost=self.rtp.reception.lost,
        )

    def _happened(self, what: str, future: asyncio.Future[T], value: T) -> bool:
        if future.done():
            return False
        self._times[what] = round(self._loop.time() - self._began, 3)
        future.set_result(value)
        return True

"""Who takes part in a scenario: phones in the carrier's network, and clients with the Voice SDK's protocol.

Each is an end of at most one call at a time. Methods return when what they say has happened, and raise Differs when it
did not within `seconds`.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from callrouter.audio.ear import QUIET, Ear
from callrouter.audio.wav import read_wav
from callrouter.carriers.simulator.call import CallEnded, Cause, Ending, SimulatedCall
from callrouter.carriers.simulator.link import CallRefused, RouterUnreachable
from callrouter.carriers.simulator.script import Outcome
from callrouter.carriers.simulator.texts import Text
from callrouter.phone.call import CallOver, PhoneCall
from callrouter.scenario.faults import CannotPlay, Differs
from callrouter.scenario.mouth import Mouth, spoken
from callrouter.voice.media.packet import SAMPLE_RATE

if TYPE_CHECKING:
    from pathlib import Path

    from callrouter.scenario.world import World

PATIENCE = 15.0
"""Seconds for what has no time of its own: longer than anything takes, on a busy machine too."""
GLANCE = 0.2
"""Seconds of sound that are judged at once."""
TOLERANCE_HZ = 20.0
OVER = (CallEnded, CallOver)


class End(ABC):
    """`name` is what a scenario calls it, `face` what a ladder does."""

    def __init__(self, world: World, name: str, face: str, hz: float) -> None:
        self.world, self.name, self.face = world, name, face
        self.mouth = Mouth(hz)
        self.call: SimulatedCall | PhoneCall | None = None
        self._incoming: asyncio.Queue[Any] = asyncio.Queue()
        self._read = 0
        """how many rows of the account's ladders it has looked at for words"""
        self._ear_at = 0

    # -- being called

    def offered(self, call: SimulatedCall | PhoneCall) -> None:
        self._incoming.put_nowait(call)

    async def rings(self, seconds: float = PATIENCE) -> None:
        """Takes the next call that rings."""
        try:
            self._take(await asyncio.wait_for(self._incoming.get(), seconds))
        except TimeoutError:
            raise Differs(f"{self.name} did not ring within {_s(seconds)}") from None

    async def rings_for(self, seconds: float) -> None:
        await self._ringing()
        assert self.call is not None
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self.call.ended), seconds)
            raise Differs(f"{self.name} stopped ringing before {_s(seconds)} were over")

    async def does_not_ring(self, seconds: float = 2.0) -> None:
        with suppress(TimeoutError):
            self._take(await asyncio.wait_for(self._incoming.get(), seconds))
            raise Differs(f"{self.name} rang")

    async def stops_ringing(self, seconds: float = PATIENCE) -> None:
        await self._ringing()
        assert self.call is not None
        await self._within(self.call.ended, seconds, f"{self.name} still rings after {_s(seconds)}")

    async def answer(self) -> None:
        await self._ringing()
        await self._pick_up()

    async def reject(self) -> None:
        await self._ringing()
        await self._refuse()

    async def _ringing(self) -> None:
        if self.call is None or self._over() or not self._rings_now():
            await self.rings()

    # -- in a call

    @property
    def talks(self) -> bool:
        """Its call is answered, and not over."""
        return self.call is not None and self.call.talking

    async def connected(self, seconds: float = PATIENCE) -> None:
        call = self._in_call()
        try:
            await self._within(
                call.answered, seconds, f"the call of {self.name} was not answered within {_s(seconds)}"
            )
        except OVER as over:
            raise Differs(f"the call of {self.name} was not answered: {over}") from over

    async def hears(self, words: str, seconds: float = PATIENCE) -> None:
        """Words that were spoken to it since it last heard some, and sound that came."""
        told: list[str] = []

        def spoken_to_it() -> bool:
            over = self._over()  # before the look: what was said before the end counts
            told.clear()
            for number, text in enumerate(self.world.spoken(self.face)):
                if number >= self._read:
                    told.append(text)
                    if _same(words, text):
                        self._read = number + 1
                        return True
            if over:
                raise TimeoutError
            return False

        self._in_call(over=True)
        try:
            await self.world.until(spoken_to_it, seconds)
        except TimeoutError:
            said = ", ".join(f'"{text}"' for text in told) or "nothing"
            until = f"before its call {self._why()}" if self._over() else f"within {_s(seconds)}"
            raise Differs(f'{self.name} did not hear "{words}" {until}; it was told {said}') from None
        await self.hears_sound(seconds)

    async def hears_end(self, other: End, seconds: float = PATIENCE) -> None:
        other.mouth.hum(True)
        try:
            await self._hears(lambda hz: _near(hz, other.mouth.hz), seconds, other.name)
        finally:
            other.mouth.hum(False)

    async def does_not_hear(self, other: End, seconds: float = 1.0) -> None:
        other.mouth.hum(True)
        try:
            with suppress(Differs):
                await self._hears(lambda hz: _near(hz, other.mouth.hz), seconds, other.name)
                raise AssertionError
        except AssertionError:
            raise Differs(f"{self.name} hears {other.name}") from None
        finally:
            other.mouth.hum(False)

    async def hears_hertz(self, hz: float, seconds: float = PATIENCE) -> None:
        await self._hears(lambda heard: _near(heard, hz), seconds, f"{hz:.0f} Hz")

    async def hears_sound(self, seconds: float = PATIENCE) -> None:
        """Anything but silence, since the last such question."""
        ear = self._ear()

        def sound() -> bool:
            over = self._over()
            fresh = ear.last((ear.samples - self._ear_at) / SAMPLE_RATE)
            loud = bool(len(fresh)) and float(abs(fresh).max()) > QUIET
            if over and not loud:
                raise TimeoutError
            return loud

        try:
            await self.world.until(sound, seconds)
        except TimeoutError:
            until = f"until its call {self._why()}" if self._over() else f"for {_s(seconds)}"
            raise Differs(f"{self.name} heard only silence {until}") from None
        self._ear_at = ear.samples

    async def hears_silence(self, seconds: float = PATIENCE) -> None:
        await self._hears(lambda hz: hz is None, seconds, "silence", glance=0.5)

    async def _hears(
        self, good: Callable[[float | None], bool], seconds: float, what: str, glance: float = GLANCE
    ) -> None:
        """Listens again and again; sound that never comes counts as nothing heard."""
        ear, heard = self._ear(), "no audio at all"

        async def listen() -> None:
            nonlocal heard
            while not good(hz := await ear.heard(glance, patience=seconds)):
                heard = "silence" if hz is None else f"{hz:.0f} Hz"

        listening = asyncio.create_task(listen())
        ended = asyncio.ensure_future(self._in_call(over=True).ended)
        await asyncio.wait([listening, ended], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if listening.done() and not listening.exception():
            return
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        until = f"before its call {self._why()}" if self._over() else f"within {_s(seconds)}"
        raise Differs(f"{self.name} did not hear {what} {until}, but {heard}")

    async def press(self, keys: str) -> None:
        await self._in_call().press(keys)

    async def say(self, words: str) -> None:
        await self.mouth.play(await asyncio.to_thread(spoken, words))

    async def play(self, path: Path) -> None:
        try:
            samples = read_wav(path)
        except (OSError, ValueError) as fault:
            raise CannotPlay(f"{path} can't be played: {fault}") from fault
        await self.mouth.play(samples)

    async def hang_up(self) -> None:
        call = self._in_call()
        await call.hangup()

    async def hung_up(self, seconds: float = PATIENCE) -> None:
        call = self._in_call(over=True)
        ended = await self._within(
            call.ended, seconds, f"the call of {self.name} goes on after {_s(seconds)}"
        )
        if ended.by not in ("router", "server"):
            raise Differs(f"{self.name} hung up itself")

    # -- messages

    async def gets_text(self, words: str, sender: str | None = None, seconds: float = PATIENCE) -> None:
        """A message with these words in it; those before it are passed over."""
        others: list[str] = []
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while True:
                    from_, body = await self._next_text()
                    if _same(words, body) and (sender is None or from_ == sender):
                        return
                    others.append(f'"{body}" from {from_}')
        got = ", ".join(others) or "none"
        raise Differs(f'{self.name} did not get "{words}" within {_s(seconds)}; messages that came: {got}')

    async def gets_no_text(self, seconds: float = 2.0) -> None:
        with suppress(TimeoutError):
            from_, body = await asyncio.wait_for(self._next_text(), seconds)
            raise Differs(f'{self.name} got "{body}" from {from_}')

    # -- what differs between phones and clients

    @abstractmethod
    def _rings_now(self) -> bool: ...

    @abstractmethod
    async def _pick_up(self) -> None: ...

    @abstractmethod
    async def _refuse(self) -> None: ...

    @abstractmethod
    def _ear(self) -> Ear: ...

    @abstractmethod
    async def _next_text(self) -> tuple[str, str]:
        """Sender and body of the next message, however long that takes."""

    @abstractmethod
    async def close(self) -> None:
        """Leaves without a word."""

    def _take(self, call: SimulatedCall | PhoneCall, told: int | None = None) -> None:
        """`told`: how many texts had been spoken to it before this call."""
        self.call = call
        self._ear_at = 0
        self._read = len(self.world.spoken(self.face)) if told is None else told

    def _in_call(self, *, over: bool = False) -> SimulatedCall | PhoneCall:
        if self.call is None:
            raise Differs(f"{self.name} is in no call")
        if not over and self._over():
            raise Differs(f"the call of {self.name} is over: it {self._why()}")
        return self.call

    def _over(self) -> bool:
        return self.call is not None and self.call.over

    def _why(self) -> str:
        assert self.call is not None
        ended = self.call.ended.result()
        how = ended.cause if isinstance(ended, Ending) else ended.how
        return f"was ended by the {ended.by} ({how})"

    async def _within(self, what: Awaitable[Any], seconds: float, otherwise: str) -> Any:
        try:
            return await asyncio.wait_for(what, seconds)
        except TimeoutError:
            raise Differs(otherwise) from None


class PhoneEnd(End):
    """A phone of the simulated carrier."""

    call: SimulatedCall | None

    def __init__(self, world: World, number: str, hz: float) -> None:
        super().__init__(world, number, number, hz)
        self._texts: asyncio.Queue[Text] = asyncio.Queue()

    async def calls(self, number: str) -> None:
        told = len(self.world.spoken(self.face))
        try:
            self._take(await self.world.carrier.call(self.name, number, source=self.mouth), told)
        except CallRefused as refused:
            raise Differs(f"the router refused the call of {self.name}: {refused}") from refused
        except RouterUnreachable as fault:
            raise CannotPlay(f"{fault}\n{self.world.deployment.logs()}") from fault

    async def busy(self) -> None:
        await self._ringing()
        assert self.call is not None
        self.call.decide(Outcome.BUSY)

    async def gets_busy(self, seconds: float = PATIENCE) -> None:
        await self._ends_by(Cause.BUSY, seconds)

    async def gets_rejected(self, seconds: float = PATIENCE) -> None:
        await self._ends_by(Cause.REJECTED, seconds)

    async def texts(self, number: str, body: str) -> None:
        try:
            await self.world.carrier.text(self.name, number, body)
        except CallRefused as refused:
            raise Differs(f"the router refused the message of {self.name}: {refused}") from refused
        except RouterUnreachable as fault:
            raise CannotPlay(f"{fault}\n{self.world.deployment.logs()}") from fault

    async def close(self) -> None:
        """The carrier's end is its phones' end."""

    def got_text(self, text: Text) -> None:
        self._texts.put_nowait(text)

    async def _next_text(self) -> tuple[str, str]:
        text = await self._texts.get()
        return text.from_, text.body

    async def _ends_by(self, cause: Cause, seconds: float) -> None:
        call = self._in_call(over=True)
        ended = await self._within(
            call.ended, seconds, f"the call of {self.name} goes on after {_s(seconds)}"
        )
        if ended.cause is not cause:
            raise Differs(f"the call of {self.name} ended by {ended.cause}")

    def _rings_now(self) -> bool:
        assert self.call is not None
        return self.call.direction == "outbound" and not self.call.talking

    async def _pick_up(self) -> None:
        assert self.call is not None
        self.call.decide(Outcome.ANSWER)
        try:
            await self._within(self.call.answered, PATIENCE, f"the answer of {self.name} was not taken")
        except CallEnded as ended:
            raise Differs(f"{self.name} could not answer: {ended}") from ended
        await self.world.answered(self.call.call_sid)

    async def _refuse(self) -> None:
        assert self.call is not None
        self.call.decide(Outcome.REJECT)

    def _ear(self) -> Ear:
        call = self._in_call(over=True)
        assert isinstance(call, SimulatedCall)
        return call.rtp.ear


def _same(wanted: str, said: str) -> bool:
    """Whether the words are in it, whatever the blanks between them."""
    return " ".join(wanted.split()) in " ".join(said.split())


def _near(heard: float | None, hz: float) -> bool:
    return heard is not None and abs(heard - hz) <= TOLERANCE_HZ


def _s(seconds: float) -> str:
    return f"{seconds:g} s"

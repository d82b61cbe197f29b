"""One listen: an utterance of a leg's far end, recognised when it is over, and on the way if wanted."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from .contract import EventType
from .legs.leg import Emit, Leg
from .media.packet import FRAME_SECONDS
from .media.ticker import Ticker
from .media.tracks import Track
from .media.utterance import Stage, Utterance
from .media_service import PLATFORM_FAULT, MediaRefused, MediaUnavailable, Recognised

log = logging.getLogger(__name__)

_PATIENCE = 5  # frames, so 100 ms, for packets that are late
_PARTIAL_EVERY = 50  # frames of speech
_LEAST_SILENCE = 15  # frames: words have pauses of their own

Recognise = Callable[[str, bytes], Awaitable[Recognised]]
"""(URL, mu-law): bounded in time. Raises `MediaRefused`, `MediaUnavailable` or `TimeoutError`."""


class Cause(StrEnum):
    """Why listening ended."""

    SILENCE = "silence"
    LENGTH = "length"
    STOPPED = "stopped"
    HANGUP = "hangup"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class ListenOrder:
    """What the router asked for: `silence` in milliseconds, `longest` in seconds."""

    listen: str
    url: str
    silence: int
    longest: int
    partial: bool


class Listen:
    """Hears the leg from its making on, until it calls `ended`."""

    def __init__(
        self,
        order: ListenOrder,
        leg: Leg,
        ticker: Ticker,
        *,
        recognise: Recognise,
        emit: Emit,
        ended: Callable[[Listen], None],
    ) -> None:
        self.order = order
        self.leg = leg
        self._ticker = ticker
        self._recognise = recognise
        self._emit = emit
        self._ended = ended
        silence = max(_LEAST_SILENCE, order.silence // 20)
        self._utterance = Utterance(silence=silence, longest=order.longest * 50)
        self._track = Track(asyncio.get_running_loop().time())
        self._frames = self._sequence = 0
        self._partial: asyncio.Task[None] | None = None
        self._final: asyncio.Task[None] | None = None
        self._over = False
        leg.listeners = (*leg.listeners, self._track)
        ticker.add(self)

    def tick(self, now: float) -> None:
        """20 ms have passed."""
        due = round((now - self._track.start) / FRAME_SECONDS) - _PATIENCE
        while self._frames < due and self._final is None:
            self._frames += 1
            self._advance(self._utterance.stage, self._utterance.hear(self._track.audio.pull()))

    def end(self, cause: Cause, *, text: str = "", confidence: float = 0.0, **fault: Any) -> None:
        """Only the first end counts."""
        if self._over:
            return
        self._over = True
        self._deafen()
        for task in (self._partial, self._final):
            if task is not None and task is not asyncio.current_task():
                task.cancel()
        self._report(EventType.SPEECH_DONE, text=text, confidence=confidence, cause=cause, **fault)
        self._ended(self)

    def _advance(self, before: Stage, stage: Stage) -> None:
        match stage:
            case Stage.SPEAKING if before is Stage.WAITING:
                self._report(EventType.SPEECH_STARTED)
            case Stage.SPEAKING if self.order.partial and self._utterance.frames % _PARTIAL_EVERY == 0:
                if self._partial is None or self._partial.done():
                    self._partial = asyncio.get_running_loop().create_task(self._ask_partial())
            case Stage.QUIET | Stage.LONG:
                self._deafen()
                if self._partial is not None:
                    self._partial.cancel()
                cause = Cause.SILENCE if stage is Stage.QUIET else Cause.LENGTH
                self._final = asyncio.get_running_loop().create_task(self._ask(cause))

    async def _ask_partial(self) -> None:
        try:
            found = await self._recognise(_partial(self.order.url), self._utterance.audio())
        except (MediaRefused, MediaUnavailable, TimeoutError) as error:
            log.warning("what is said on leg %s was not understood on the way: %s", self.leg.id, error)
        except Exception:  # our fault: the whole may still be recognised
            log.exception("what is said on leg %s was not recognised on the way", self.leg.id)
        else:
            self._report(EventType.SPEECH_PARTIAL, text=found.text, sequence=self._sequence)
            self._sequence += 1

    async def _ask(self, cause: Cause) -> None:
        try:
            found = await self._recognise(self.order.url, self._utterance.audio())
        except MediaRefused as error:
            self._fail(error.code, str(error))
        except MediaUnavailable as error:
            self._fail(PLATFORM_FAULT, f"Nobody could recognise the speech: {error}.")
        except TimeoutError:
            self._fail(
                PLATFORM_FAULT, "The speech was not recognised in time; the media service is too slow."
            )
        except Exception:  # our fault: a router that waits must hear of it all the same
            log.exception("what was said on leg %s was not recognised", self.leg.id)
            self._fail(PLATFORM_FAULT, "The voice node failed; its log has the reason.")
        else:
            self.end(cause, text=found.text, confidence=found.confidence)

    def _fail(self, code: int, message: str) -> None:
        log.error("speech on leg %s was not recognised: %s", self.leg.id, message)
        self.end(Cause.FAILED, code=code, message=message)

    def _deafen(self) -> None:
        self._ticker.discard(self)
        self.leg.listeners = tuple(each for each in self.leg.listeners if each is not self._track)

    def _report(self, type: EventType, **data: Any) -> None:
        self._emit(self.leg.id, type, listen=self.order.listen, **data)


def _partial(url: str) -> str:
    """The URL, asked for what may still change."""
    parts = urlsplit(url)
    query = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] != "partial"]
    return parts._replace(query=urlencode([*query, ("partial", "1")])).geturl()

"""The `leg.listen` commands: what a far end says, brought to the recogniser of the media service."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from . import fields
from .contract import Request
from .legs.leg import Emit, Leg
from .listen import Cause, Listen, ListenOrder
from .media.ticker import Ticker
from .media_service import MediaService, MediaUnavailable, Recognised

_THREADS = 32  # they wait for the recogniser
_SECONDS = 10.0  # until what was said is understood, or never
_PAUSES = (0.2, 0.5, 1.0, 2.0)  # before a recogniser that is not there is asked again
_MAX_SILENCE, _MAX_LONGEST = 60_000, 60  # milliseconds; seconds, as much as Twilio's Gather takes


class Listening:
    """One listen per leg: a second one takes the place of the first. Each ends with one `speech.done`."""

    def __init__(
        self, service: MediaService, *, leg: Callable[[str, str], Leg], emit: Emit, ticker: Ticker
    ) -> None:
        self._service = service
        self._leg = leg
        self._emit = emit
        self._ticker = ticker
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="listening")
        self._running: dict[str, Listen] = {}  # by leg

    def __len__(self) -> int:
        return len(self._running)

    def table(self) -> Mapping[str, Callable[[str, Request], dict[str, Any]]]:
        return {"leg.listen": self._start, "leg.listen_stop": self._stop}

    def _start(self, owner: str, request: Request) -> dict[str, Any]:
        """{leg, listen, url, silence, longest, partial?} -> {listen}

        `speech.started` comes with the first word, for which it waits for ever. `silence` milliseconds of quiet
        (300 at least: less is a pause in a word) or `longest` seconds of speech end it: `url` is sent the audio,
        `speech.done` follows. With `partial` it is sent what there is at every second before, too.
        """
        order = ListenOrder(
            listen=fields.text(request, "listen"),
            url=fields.url(request, "url"),
            silence=fields.count(request, "silence", most=_MAX_SILENCE),
            longest=fields.count(request, "longest", least=1, most=_MAX_LONGEST),
            partial=fields.flag(request, "partial"),
        )
        leg = self._leg(owner, fields.leg(request))
        before = self._running.get(leg.id)
        if before is None or before.order.listen != order.listen:
            if before is not None:
                before.end(Cause.STOPPED)
            self._running[leg.id] = Listen(
                order, leg, self._ticker, recognise=self._recognise, emit=self._emit, ended=self._ended
            )
        return {"listen": order.listen}

    def _stop(self, owner: str, request: Request) -> dict[str, Any]:
        """{leg, listen} -> {}; also when it has ended, or the leg is gone."""
        listen, found = fields.text(request, "listen"), self._running.get(fields.leg(request))
        if found is not None and found.order.listen == listen:
            self._leg(owner, found.leg.id)
            found.end(Cause.STOPPED)
        return {}

    def hung_up(self, leg_id: str) -> None:
        """The leg is about to be closed."""
        found = self._running.get(leg_id)
        if found is not None:
            found.end(Cause.HANGUP)

    def close(self) -> None:
        """After all legs: whoever waits for a recogniser is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _ended(self, listen: Listen) -> None:
        del self._running[listen.leg.id]

    async def _recognise(self, url: str, audio: bytes) -> Recognised:
        """In `_SECONDS`, or `MediaRefused`, `MediaUnavailable` or `TimeoutError`."""
        deadline, tries = time.monotonic() + _SECONDS, 0
        async with asyncio.timeout(_SECONDS):
            while True:
                try:
                    return await asyncio.get_running_loop().run_in_executor(
                        self._threads, self._service.recognise, url, audio, deadline
                    )
                except MediaUnavailable:
                    pause = _PAUSES[min(tries, len(_PAUSES) - 1)]
                    if time.monotonic() + pause > deadline:
                        raise
                    tries += 1
                    await asyncio.sleep(pause)

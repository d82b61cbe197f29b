"""The node's recordings: those under way, and those whose audio is being brought to the media service."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast
from urllib.parse import parse_qs, urlencode, urlsplit

from .contract import ErrorCode, VoiceError
from .media.ticker import Ticker
from .media_service import PLATFORM_FAULT, MediaRefused, MediaService, MediaUnavailable, Stored
from .recording import Cause, Flow, Recordable, Recording, RecordingOrder
from .spool import Spool, SpoolFault

log = logging.getLogger(__name__)

_MAX_PER_SOURCE = 4
_UPLOAD_THREADS = 4
_PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)

Done = Callable[[str, dict[str, Any]], None]
"""(leg or room, facts): a recording is done with, and its audio where it belongs."""


class Recorder:
    """`done` is called once per recording, at most `upload_timeout` seconds after its end.

    A source, a leg or a room, is known by its `id`.
    """

    def __init__(
        self, service: MediaService, spool: Spool, ticker: Ticker, *, upload_timeout: float, done: Done
    ) -> None:
        self._service = service
        self._spool = spool
        self._ticker = ticker
        self._upload_timeout = upload_timeout
        self._done = done
        self._threads = ThreadPoolExecutor(_UPLOAD_THREADS, thread_name_prefix="uploads")
        self._running: dict[tuple[str, str], Recording] = {}
        self._uploads: dict[asyncio.Task[None], str] = {}

    @property
    def running(self) -> int:
        return len(self._running)

    @property
    def uploading(self) -> int:
        return len(self._uploads)

    def busy_with(self, source: str) -> bool:
        """Whether a recording of this source is not done with."""
        return source in self._uploads.values() or any(key[0] == source for key in self._running)

    def start(self, source: Recordable, order: RecordingOrder) -> None:
        """Nothing happens if it runs already."""
        key = source.id, order.recording
        if key in self._running:
            return
        if sum(each[0] == source.id for each in self._running) >= _MAX_PER_SOURCE:
            raise VoiceError(
                ErrorCode.AT_CAPACITY, f"{_MAX_PER_SOURCE} recordings run here already: stop one"
            )
        recording = Recording(order, source, self._ticker, self._spool.new(), self._ended)
        if not recording.begin():
            raise VoiceError(ErrorCode.AT_CAPACITY, "too many jobs wait on this leg: stop it first")
        self._running[key] = recording

    def stop(self, source: str, recording: str) -> None:
        """Nothing happens if it does not run."""
        found = self._running.get((source, recording))
        if found is not None:
            found.end(Cause.STOPPED)

    def turn(self, source: str, recording: str, flow: Flow) -> None:
        """Pause or resume; nothing happens if it does not run."""
        found = self._running.get((source, recording))
        if found is not None:
            found.turn(flow)

    def hung_up(self, source: str) -> None:
        """The source is about to be closed."""
        for found in tuple(self._running.values()):
            if found.source.id == source:
                found.end(Cause.HANGUP)

    async def close(self, grace: float) -> None:
        """Wait a moment for uploads under way; what is not done then stays in the spool."""
        if self._uploads:
            await asyncio.wait(self._uploads, timeout=grace)
        tasks = tuple(self._uploads)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _ended(self, recording: Recording) -> None:
        source = recording.source.id
        del self._running[source, recording.order.recording]
        task = asyncio.get_running_loop().create_task(self._deliver(source, recording))
        self._uploads[task] = source

    async def _deliver(self, source: str, recording: Recording) -> None:
        try:
            facts = await self._bring(source, recording)
        except Exception:  # our fault: a router that waits must hear of it all the same
            log.exception("a recording of %s was not stored", source)
            why = {
                "code": PLATFORM_FAULT,
                "message": "The voice node failed; its log has the reason.",
            }
            known = {"seconds": int(recording.seconds + 0.5), "silent": recording.silent}
            facts = {"recording": recording.order.recording, "cause": Cause.FAILED, **why, **known}
        finally:
            self._uploads.pop(cast("asyncio.Task[None]", asyncio.current_task()))
        self._done(source, facts)

    async def _bring(self, source: str, recording: Recording) -> dict[str, Any]:
        facts: dict[str, Any] = {"recording": recording.order.recording, "cause": recording.cause}
        fault: tuple[int, str] | None = None
        try:
            await recording.file.close()
        except SpoolFault as error:
            log.error("a recording of %s was cut short: %s", source, error)
            fault = PLATFORM_FAULT, f"The voice node could not write the recording: {error}."
        seconds, silent = int(recording.seconds + 0.5), recording.silent
        if recording.file.written:
            try:
                async with asyncio.timeout(self._upload_timeout):
                    stored = await self._upload(recording)
                seconds, silent = stored.seconds, stored.silent
                await recording.file.remove()
            except (MediaRefused, MediaUnavailable, TimeoutError, OSError) as error:
                code = error.code if isinstance(error, MediaRefused) else PLATFORM_FAULT
                reason = str(error) or f"no answer within {self._upload_timeout:g} s"
                fault = code, f"The recording could not be stored: {reason}"
                log.error(
                    "a recording of %s was not stored, its audio stays in %s: %s",
                    source, recording.file.path, reason,
                )  # fmt: skip
        if fault is not None:
            facts |= {"cause": Cause.FAILED, "code": fault[0], "message": fault[1]}
        return {**facts, "seconds": seconds, "silent": silent}

    async def _upload(self, recording: Recording) -> Stored:
        url = _target(recording.order)
        began, tries = time.monotonic(), 0
        while True:
            try:
                return await asyncio.get_running_loop().run_in_executor(
                    self._threads, self._service.store, url, recording.file.path
                )
            except MediaUnavailable as error:
                pause = _PAUSES[min(tries, len(_PAUSES) - 1)]
                if time.monotonic() - began + pause > self._upload_timeout:
                    raise
                tries += 1
                log.warning("a recording was not taken, next try in %g s: %s", pause, error)
                await asyncio.sleep(pause)


def _target(order: RecordingOrder) -> str:
    """The URL with what the service must know, unless the router has said it."""
    query = parse_qs(urlsplit(order.upload).query)
    facts = {"channels": str(order.channels), "trim": str(int(order.trim))}
    more = urlencode({name: value for name, value in facts.items() if name not in query})
    return order.upload + ("&" if query else "?") * bool(more) + more

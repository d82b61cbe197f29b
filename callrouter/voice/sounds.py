"""Sounds by their URL: fetched once for all legs that want them now, and kept in memory as the service allows."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from .media.voices import Loading, SoundFailed
from .media_service import PLATFORM_FAULT, MediaRefused, MediaService, MediaUnavailable, Sound

log = logging.getLogger(__name__)

_THREADS = 64  # they wait: for slow apps, most of all
_PAUSES = (0.2, 0.5, 1.0)  # seconds before the media service, perhaps just restarting, is asked again


@dataclass(frozen=True, kw_only=True)
class _Kept:
    audio: bytes
    etag: str
    fresh_until: float


class Sounds:
    """`timeout`: seconds until a sound that did not come has failed. `room`: bytes kept, the longest unused go."""

    def __init__(self, service: MediaService, *, timeout: float, room: int) -> None:
        self._service = service
        self._timeout = timeout
        self._room = room
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="sounds")
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._coming: dict[str, asyncio.Task[bytes | SoundFailed]] = {}
        self.bytes_kept = 0

    def open(self, url: str) -> Loading:
        """Begin to fetch the sound; what is returned is asked until it gives the sound or raises."""
        kept = self._kept.get(url)
        if kept is not None and time.monotonic() < kept.fresh_until:
            self._kept.move_to_end(url)
            audio = kept.audio
            return lambda: audio
        task = self._coming.get(url)
        if task is None:
            task = self._coming[url] = asyncio.get_running_loop().create_task(self._fetch(url))
            task.add_done_callback(lambda _: self._coming.pop(url))

        def look() -> bytes | None:
            if not task.done():
                return None
            found = task.result()
            if isinstance(found, SoundFailed):
                raise found
            return found

        return look

    async def close(self) -> None:
        tasks = tuple(self._coming.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _fetch(self, url: str) -> bytes | SoundFailed:
        try:
            async with asyncio.timeout(self._timeout):
                return await self._patiently(url, time.monotonic() + self._timeout)
        except MediaRefused as error:
            return SoundFailed(error.code, str(error))
        except TimeoutError:
            reason = f"the media service did not give the sound within {self._timeout:g} s"
        except MediaUnavailable as error:
            reason = str(error)
        except Exception:  # our fault: the sound fails, the leg goes on
            log.exception("a sound could not be fetched")
            reason = "the voice node failed; its log has the reason"
        log.error("a sound was not played: %s (%s)", reason, url[:200])
        return SoundFailed(PLATFORM_FAULT, f"The sound could not be fetched: {reason}.")

    async def _patiently(self, url: str, deadline: float) -> bytes:
        kept = self._kept.get(url)
        etag = kept.etag if kept is not None else ""
        for pause in (*_PAUSES, None):
            try:
                sound = await asyncio.get_running_loop().run_in_executor(
                    self._threads, self._service.sound, url, etag, deadline
                )
                break
            except MediaUnavailable:
                if pause is None or time.monotonic() + pause > deadline:
                    raise
                await asyncio.sleep(pause)
        audio = sound.audio if sound.audio is not None else kept.audio if kept is not None else b""
        self._keep(url, audio, sound)
        return audio

    def _keep(self, url: str, audio: bytes, sound: Sound) -> None:
        before = self._kept.pop(url, None)
        if before is not None:
            self.bytes_kept -= len(before.audio)
        if sound.keep is None or not (sound.keep or sound.etag) or len(audio) > self._room:
            return
        until = time.monotonic() + sound.keep
        self._kept[url] = _Kept(audio=audio, etag=sound.etag, fresh_until=until)
        self.bytes_kept += len(audio)
        while self.bytes_kept > self._room:
            _, dropped = self._kept.popitem(last=False)
            self.bytes_kept -= len(dropped.audio)

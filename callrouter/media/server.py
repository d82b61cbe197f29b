"""The media service as a process."""

from __future__ import annotations

import asyncio

import structlog

from callrouter.media.app import AUDIENCE, Parts, create_app
from callrouter.media.attachments import Attachments
from callrouter.media.files import Files
from callrouter.media.music import Music
from callrouter.media.recognition import engines as recognition_engines
from callrouter.media.recognition.recognition import Recognition
from callrouter.media.recordings import Recordings
from callrouter.media.shelf import Shelf
from callrouter.media.speech import engines
from callrouter.media.speech.speech import Speech
from foundation.clock import Clock, utc_now
from foundation.keys import Keys, TokenRefused, load_keys
from foundation.outbound import Fetcher
from foundation.settings import Settings
from foundation.webserver.bridge import Receive, Scope, Send, WsgiBridge
from foundation.webserver.serve import Listener, serve
from foundation.webserver.service import LIFE

log = structlog.get_logger(__name__)

MEGABYTE = 1_000_000
THREADS = 200
"""Most of them wait for other people's servers; a sound that is here is never behind those of one account."""
UPLOAD_LIMIT = 4 * 3600 * 8_000 + 1_000
"""Bytes: four hours of one channel, the longest that Twilio records."""
UPLOAD_SECONDS = 60.0
UPLOADS = 4
"""Bodies of recordings in memory at once; the others wait in their sockets."""


class MediaServer:
    """Everything of one media process; an ASGI app."""

    def __init__(self, settings: Settings, keys: Keys, clock: Clock = utc_now) -> None:
        folder = settings.data_dir / "media"
        shelf = Shelf(folder / "cache", settings.media_cache_mb * MEGABYTE)
        self._keys = keys
        self._fetcher = Fetcher(allow=settings.outbound_allow, ca_bundle=settings.outbound_ca or None)
        self._speaker = engines.speaker(settings.speech_engine)
        self._recogniser = recognition_engines.recogniser(settings.recognition_engine)
        music = Music(settings.hold_music)
        recordings = Recordings(folder / "recordings", shelf)
        parts = Parts(
            keys=keys,
            shelf=shelf,
            files=Files(self._fetcher, shelf, clock),
            speech=Speech(self._speaker, shelf),
            recognition=Recognition(self._recogniser),
            recordings=recordings,
            attachments=Attachments(folder / "attachments"),
            music=music,
            checks={"disk": recordings.writable, "hold music": music.playable},
            metrics_token=settings.metrics_token,
        )
        app = create_app(parts)
        self._bridge = WsgiBridge(app, threads=THREADS)
        self._uploads = WsgiBridge(app, threads=UPLOADS, body_limit=UPLOAD_LIMIT, body_seconds=UPLOAD_SECONDS)
        self._upload = asyncio.Semaphore(UPLOADS)
        if self._speaker is None:
            log.warning("texts cannot be spoken", why=engines.NO_ENGINE)
        if self._recogniser is None:
            log.warning("speech cannot be recognised", why=recognition_engines.NO_ENGINE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "PUT" and self._is_ours(scope):
            async with self._upload:
                await self._uploads(scope, receive, send)
        else:
            await self._bridge(scope, receive, send)

    def _is_ours(self, scope: Scope) -> bool:
        """Whether a large body may be read at all; what the request may do is decided later, as for every other."""
        header: bytes = dict(scope["headers"]).get(b"authorization", b"")
        try:
            self._keys.verify(f"service.{AUDIENCE}", header.decode("latin-1").removeprefix("Bearer "), LIFE)
        except TokenRefused:
            return False
        return True

    def close(self) -> None:
        self._fetcher.close()
        self._bridge.close()
        self._uploads.close()
        for engine in (self._speaker, self._recogniser):
            if engine is not None:
                engine.close()


async def run_media(settings: Settings, stop: asyncio.Event) -> None:
    """Serves until `stop`. AddressTaken is the operator's to mend."""
    server = MediaServer(settings, load_keys(settings))
    log.info(
        "media service up",
        address=settings.media_bind,
        speech=settings.speech_engine,
        recognition=settings.recognition_engine,
    )
    try:
        await serve(server, [Listener(bind=settings.media_bind)], stop)
    finally:
        server.close()

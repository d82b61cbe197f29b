"""The four processes, and the one command that runs them all."""

import asyncio
import gc
import os
import runpy
import signal
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial

import structlog

from callrouter.voice.settings import VOICE_PURPOSE, NodeSettings
from foundation import logs
from foundation.keys import load_keys
from foundation.settings import Settings, address
from foundation.webserver.service import ServiceToken

log = structlog.get_logger(__name__)

NAMES = ("presence", "media", "router", "voice")
"""In the order in which they are started."""
STOP_ORDER = ("router", "presence", "voice", "media")
"""The router first, so that it does not take the others' end for a fault; media last, because the voice node still
uploads what it recorded."""
STOP_SECONDS = 30.0
"""Longer than what a process gives its own work (F38): open requests, messages that are being handed over."""
PAUSES = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds before a process that died is started again; the last is for all further times."""
SOUND_SECONDS = 30.0
"""A process that ran for so long is started again at once when it dies."""
SUPERVISED = "SUPERVISED_BY_STDIN"
"""Tells a child, in its environment, that its supervisor holds the other end of its standard input."""


def program(name: str, settings: Settings) -> Callable[[], None]:
    """One of the processes, ready to run until SIGTERM or SIGINT, or until its supervisor is no more.

    Each imports what it needs and no other's: that is most of the time after which it serves.
    """
    if os.environ.pop(SUPERVISED, ""):
        stop_with_supervisor()
    if name == "presence":
        # A program of its own: it meets the router over HTTP only, and no module of ours imports it.
        main: Callable[[], None] = runpy.run_module("presence")["main"]
        return main
    logs.configure(settings, name)
    if name == "voice":
        from callrouter.voice import node

        ready = None
        if settings.voice_metrics_bind != "off":
            from callrouter.metrics.voice import VoiceMetrics

            ready = VoiceMetrics(settings).ready
        return partial(node.main, voice_settings(settings), ready=ready)
    if name == "media":
        from callrouter.media.server import run_media

        return lambda: asyncio.run(_serve(run_media, settings))
    from callrouter.server import run_router

    return lambda: asyncio.run(_serve(run_router, settings))


@contextmanager
def garbage_left() -> Iterator[None]:
    """Without the garbage collector, while a program is imported: it would look again and again, and find nothing. Nor
    does it look through all that afterwards.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


async def _serve(server: Callable[[Settings, asyncio.Event], Awaitable[None]], settings: Settings) -> None:
    # It comes with the web server, which the voice node does without.
    from foundation.webserver.serve import stop_on_signals

    await server(settings, stop_on_signals())


def voice_settings(settings: Settings) -> NodeSettings:
    keys = load_keys(settings)
    media = ServiceToken(keys, "media", "voice")
    return NodeSettings(
        token=keys.derive(VOICE_PURPOSE),
        control_address=address(settings.voice_control),
        media_address=settings.voice_address,
        bind_address=settings.voice_address if settings.voice_address.startswith("127.") else "0.0.0.0",  # noqa: S104
        webrtc_port=settings.voice_webrtc_port,
        rtp_ports=settings.rtp_ports(),
        max_legs=settings.voice_max_legs,
        media_timeout=settings.voice_media_timeout,
        media_credentials=lambda: media.header,
        spool=settings.data_dir / "voice",
        outbound_allow=settings.outbound_allow,
        outbound_ca=settings.outbound_ca,
    )


def stop_with_supervisor() -> None:
    """Stops this process when standard input ends: the supervisor died, even by SIGKILL."""

    def watch() -> None:
        while os.read(0, 1024):
            pass
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(STOP_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, name="supervisor-watch", daemon=True).start()


def command(name: str) -> Sequence[str]:
    """What starts the process of that name."""
    return [sys.executable, "-m", "callrouter", "run", name]


class Supervisor:
    """Runs the processes as children, starts again what dies, and stops all of them together.

    Each child is the leader of a session of its own, so that Ctrl-C reaches it through us and in order.
    """

    def __init__(
        self,
        environment: Mapping[str, str] | None = None,
        names: Sequence[str] = NAMES,
        command: Callable[[str], Sequence[str]] = command,
    ) -> None:
        self._environment = {**os.environ, **(environment or {}), SUPERVISED: "1"}
        self._names = names
        self._command = command
        self.children: dict[str, asyncio.subprocess.Process] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set; afterwards none of the processes is left."""
        keepers = {name: asyncio.create_task(self._keep(name)) for name in self._names}
        try:
            await stop.wait()
        finally:
            for name in sorted(self._names, key=STOP_ORDER.index):
                keepers[name].cancel()
                await asyncio.wait([keepers[name]])

    async def _keep(self, name: str) -> None:
        failures = 0
        loop = asyncio.get_running_loop()
        while True:
            started = loop.time()
            try:
                status: int | str = await self._run_once(name)
            except OSError as error:
                status = f"not started: {error.strerror}"
            failures = 0 if loop.time() - started > SOUND_SECONDS else failures + 1
            pause = PAUSES[min(failures, len(PAUSES)) - 1] if failures else 0.0
            log.warning("process ended", name=name, status=status, restart_in=pause)
            await asyncio.sleep(pause)

    async def _run_once(self, name: str) -> int:
        child = await asyncio.create_subprocess_exec(
            *self._command(name),
            env=self._environment,
            stdin=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        self.children[name] = child
        try:
            return await child.wait()
        finally:
            await self._end(child)

    @staticmethod
    async def _end(child: asyncio.subprocess.Process) -> None:
        if child.returncode is not None:
            return
        with suppress(ProcessLookupError):
            child.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(child.wait(), STOP_SECONDS)
        except TimeoutError:
            child.kill()
            await child.wait()

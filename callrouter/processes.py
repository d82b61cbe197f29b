"""The three processes, and the one command that runs them all."""

import asyncio
import os
import runpy
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress

import structlog

from callrouter.server import VOICE_PURPOSE, run_router
from callrouter.voice import node
from callrouter.voice.settings import NodeSettings
from foundation import logs
from foundation.keys import load_keys
from foundation.settings import Settings, address
from foundation.webserver.serve import stop_on_signals

log = structlog.get_logger(__name__)

NAMES = ("presence", "router", "voice")
"""In the order in which they are started."""
STOP_ORDER = ("router", "presence", "voice")
"""The router first, so that it does not take the others' end for a fault."""
STOP_SECONDS = 15.0
PAUSES = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds before a process that died is started again; the last is for all further times."""
SOUND_SECONDS = 30.0
"""A process that ran for so long is started again at once when it dies."""


def run(name: str, settings: Settings) -> None:
    """Runs one of the processes until SIGTERM or SIGINT."""
    if name == "presence":
        # A program of its own: it meets the router over HTTP only, and no module of ours imports it.
        runpy.run_module("presence", run_name="__main__")
        return
    logs.configure(settings, name)
    if name == "voice":
        node.main(voice_settings(settings))
    else:
        asyncio.run(_run_router(settings))


async def _run_router(settings: Settings) -> None:
    await run_router(settings, stop_on_signals())


def voice_settings(settings: Settings) -> NodeSettings:
    return NodeSettings(
        token=load_keys(settings).derive(VOICE_PURPOSE),
        control_address=address(settings.voice_control),
        media_address=settings.voice_address,
        bind_address=settings.voice_address if settings.voice_address.startswith("127.") else "0.0.0.0",  # noqa: S104
        webrtc_port=settings.voice_webrtc_port,
        rtp_ports=settings.rtp_ports(),
        max_legs=settings.voice_max_legs,
        media_timeout=settings.voice_media_timeout,
    )


class Supervisor:
    """Runs the processes as children, starts again what dies, and stops all of them together."""

    def __init__(self, environment: Mapping[str, str] | None = None, names: Sequence[str] = NAMES) -> None:
        self._environment = {**os.environ, **(environment or {})}
        self._names = names
        self.children: dict[str, asyncio.subprocess.Process] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set; afterwards none of the processes is left."""
        keepers = [asyncio.create_task(self._keep(name, stop)) for name in self._names]
        await stop.wait()
        for name in STOP_ORDER:
            if name in self.children:
                await self._end(self.children[name])
        await asyncio.gather(*keepers)

    async def _keep(self, name: str, stop: asyncio.Event) -> None:
        failures = 0
        loop = asyncio.get_running_loop()
        while not stop.is_set():
            started = loop.time()
            child = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "callrouter", "run", name, env=self._environment, start_new_session=True
            )
            self.children[name] = child
            await child.wait()
            if stop.is_set():
                return
            failures = 0 if loop.time() - started > SOUND_SECONDS else failures + 1
            pause = PAUSES[min(failures, len(PAUSES)) - 1] if failures else 0.0
            log.warning("process ended", name=name, status=child.returncode, restart_in=pause)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause)

    @staticmethod
    async def _end(child: asyncio.subprocess.Process) -> None:
        with suppress(ProcessLookupError):
            child.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(child.wait(), STOP_SECONDS)
        except TimeoutError:
            child.kill()

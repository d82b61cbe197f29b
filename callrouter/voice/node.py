"""The voice node's process: sockets opened, legs watched, an orderly end."""

from __future__ import annotations

import asyncio
import datetime
import logging
import secrets
import signal
import time
from collections.abc import Callable
from typing import Any

from . import contract
from .commands import Commands
from .contract import EventType, VoiceEvent
from .control import ControlPort
from .legs.browser_port import BrowserPort
from .legs.certificate import Certificate
from .legs.sockets import media_socket
from .settings import NodeSettings
from .switchboard import Switchboard

__all__ = ["NodeSettings", "VoiceNode", "main", "run_voice_node"]

log = logging.getLogger(__name__)

_WATCH_SECONDS = 0.1


class VoiceNode:
    """`await start()`, then `control_address` and `webrtc_port` are real; `await close()` at the end."""

    def __init__(self, settings: NodeSettings) -> None:
        self.settings = settings
        self.id = secrets.token_hex(6)
        self._started = time.monotonic()
        self._port = BrowserPort()
        self._board = Switchboard(
            settings,
            port=self._port,
            certificates=lambda: Certificate(datetime.datetime.now(datetime.UTC)),
            report=self._report,
            node=self.id,
        )
        self._commands = Commands(self._board, drain=self.drain, stats=self.stats)
        self._control = ControlPort(
            token=settings.token,
            welcome=lambda: contract.Welcome(node=self.id, legs=self._board.leg_ids),
            execute=self._commands.execute,
            max_events=settings.max_events,
        )
        self._watcher: asyncio.Task[None] | None = None
        self._empty = asyncio.Event()
        self.control_address = settings.control_address

    @property
    def webrtc_port(self) -> int:
        return self._port.number

    async def start(self) -> None:
        """Open the sockets. `OSError` if one is taken; the operator chooses another port."""
        loop = asyncio.get_running_loop()
        opened = media_socket(self.settings.bind_address, self.settings.webrtc_port)
        await loop.create_datagram_endpoint(lambda: self._port, sock=opened)
        try:
            self.control_address = await self._control.listen(self.settings.control_address)
        except BaseException:
            self._port.close()
            raise
        self._watcher = asyncio.create_task(self._watch())

    def drain(self) -> None:
        """No new legs; those that exist go on. `node.drained` is sent when there are none."""
        self._board.draining = True

    async def drained(self) -> None:
        """Return when a draining node has no leg left, and every recording is stored."""
        await self._empty.wait()

    async def close(self) -> None:
        """End everything now: legs are closed, sockets too; recordings have seconds to be stored."""
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
        self._board.close_all("node_stopped")
        await self._board.end()
        await self._control.close()
        self._port.close()

    def stats(self) -> dict[str, Any]:
        """Load and limits, for placement and monitoring."""
        return {
            **self._board.stats(),
            "node": self.id,
            "uptime": round(time.monotonic() - self._started, 3),
            "cpu_seconds": round(time.process_time(), 3),
            "unacknowledged_events": self._control.unacknowledged,
            "stray_datagrams": self._port.strays,
        }

    def _report(self, owner: str, event: VoiceEvent) -> None:
        self._control.emit(owner, event)

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        seen = loop.time()
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            try:
                now = loop.time()
                self._board.watch(now)
                if self._control.connected or not len(self._board):
                    seen = now
                elif now - seen > self.settings.orphan_timeout:
                    log.error("no router for %g s: all legs are closed", self.settings.orphan_timeout)
                    self._board.close_all("orphaned")
                if self._board.draining and self._board.idle and not self._empty.is_set():
                    self._empty.set()
                    self._control.emit_to_all(self._board.event("", EventType.NODE_DRAINED))
            except Exception:  # the watch itself must never end
                log.exception("the watch over the legs failed and goes on")


async def run_voice_node(
    settings: NodeSettings,
    *,
    stop: asyncio.Event | None = None,
    ready: Callable[[VoiceNode], None] | None = None,
) -> None:
    """Run until `stop` is set, then drain for at most `drain_timeout` seconds, then close."""
    node = VoiceNode(settings)
    await node.start()
    log.info("voice node %s: control %s, WebRTC UDP port %d", node.id, node.control_address, node.webrtc_port)
    try:
        if ready is not None:
            ready(node)
        await (stop or asyncio.Event()).wait()
        node.drain()
        try:
            await asyncio.wait_for(node.drained(), settings.drain_timeout)
        except TimeoutError:
            log.warning("legs were still alive after %g s of draining", settings.drain_timeout)
    finally:
        await node.close()


def main(settings: NodeSettings, *, ready: Callable[[VoiceNode], None] | None = None) -> None:
    """A whole process: uvloop where there is one; SIGTERM drains, a second one or SIGINT ends at once."""

    async def run() -> None:
        stop = asyncio.Event()
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None

        def terminate() -> None:
            if stop.is_set():
                task.cancel()
            stop.set()

        try:
            loop.add_signal_handler(signal.SIGTERM, terminate)
            loop.add_signal_handler(signal.SIGINT, task.cancel)
        except NotImplementedError:  # no signals on Windows' loops
            log.info("this platform ends the node without draining")
        await run_voice_node(settings, stop=stop, ready=ready)

    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        try:
            runner.run(run())
        except asyncio.CancelledError:
            log.info("the voice node was told to end at once")


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop

"""The voice node's numbers, on an HTTP listener of its own: the node itself speaks HTTP with nobody."""

import asyncio
from collections.abc import Iterable, Iterator
from typing import Any

from prometheus_client import REGISTRY
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from callrouter.voice.node import VoiceNode
from foundation.settings import Settings
from foundation.webserver.application import Application
from foundation.webserver.bridge import WsgiBridge
from foundation.webserver.errors import handle_errors
from foundation.webserver.health import health
from foundation.webserver.serve import Listener, serve

SECONDS = 2.0
GAUGES = {
    "legs": "Legs of calls on this node.",
    "legs_up": "Legs with a media path.",
    "bridged": "Legs that are joined to another one.",
    "max_legs": "Legs that it takes before it refuses.",
    "rooms": "Conferences and queues with audio.",
    "recording": "Recordings that run.",
    "uploads": "Recordings on their way to the media service.",
    "listening": "Legs whose speech is recognised.",
    "streams": "Media streams to WebSockets.",
    "sound_bytes": "Bytes of sounds in memory.",
    "free_rtp_ports": "UDP ports that are left for phone legs.",
    "unacknowledged_events": "Events that no router has stored yet.",
    "packets_received": "RTP packets that the legs of now have received.",
    "packets_lost": "RTP packets that those legs have missed.",
}
COUNTERS = {
    "stray_datagrams": "Datagrams that belong to no leg.",
    "stream_chunks_dropped": "Chunks of media streams that a slow WebSocket did not get.",
}


class NodeState(Collector):
    """Asks the node on its own loop, from whatever thread Prometheus' request is on."""

    def __init__(self, node: VoiceNode, loop: asyncio.AbstractEventLoop) -> None:
        self._node, self._loop = node, loop

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        stats = self.stats()
        for name, meaning in GAUGES.items():
            yield GaugeMetricFamily(f"callrouter_voice_{name}", meaning, stats[name])
        for name, meaning in COUNTERS.items():
            yield CounterMetricFamily(f"callrouter_voice_{name}", meaning, stats[name])

    def stats(self) -> dict[str, Any]:
        async def ask() -> dict[str, Any]:
            return self._node.stats()

        return asyncio.run_coroutine_threadsafe(ask(), self._loop).result(SECONDS)

    def full(self) -> str | None:
        """Why the node takes no more calls."""
        stats = self.stats()
        if stats["draining"]:
            return "this node is stopping and takes no new legs"
        if stats["legs"] >= stats["max_legs"]:
            return f"all {stats['max_legs']} legs are taken (CALLROUTER_VOICE_MAX_LEGS)"
        return None


class VoiceMetrics:
    """Serves `/metrics`, `/livez` and `/readyz` beside the node. AddressTaken is the operator's to mend."""

    def __init__(self, settings: Settings) -> None:
        self._token = settings.metrics_token
        self._listener = Listener(bind=settings.voice_metrics_bind)
        self._socket = self._listener.open()
        self._task: asyncio.Task[None] | None = None  # held, or nobody would

    def ready(self, node: VoiceNode) -> None:
        """Called on the node's loop once it has its sockets."""
        state = NodeState(node, asyncio.get_running_loop())
        REGISTRY.register(state)
        app = Application("voice")
        handle_errors(app)
        app.register_blueprint(health({"legs": state.full}, metrics_token=self._token))
        bridge = WsgiBridge(app, threads=2)
        never = asyncio.Event()  # it ends with the node's loop
        served = serve(bridge, [self._listener], never, [self._socket])
        self._task = asyncio.get_running_loop().create_task(served)

"""The presence server as a process: one ASGI app, on a plain listener for our servers and a TLS one for clients."""

import asyncio
import gc
import re
import socket

import structlog

from foundation.clock import utc_now
from foundation.db import Database
from foundation.keys import Keys, load_keys
from foundation.settings import Settings
from foundation.webserver.bridge import Receive, Scope, Send, WsgiBridge
from foundation.webserver.serve import Listener, serve
from presence import tls
from presence.app import create_app
from presence.directory import Directory
from presence.router_link import HttpRouterLink, RouterLink
from presence.signalling import telemetry
from presence.signalling.doorway import Doorway
from presence.signalling.gateway import Gateway
from presence.store import Store

log = structlog.get_logger(__name__)

PUBLIC = re.compile(r"/(livez|v1/Accounts/[^/]+/Clients/[^/]+/Registrations(/[^/]+)?)\Z")
"""What the clients' TLS listener serves over HTTP; the rest is for our own servers, on the plain one."""


def node_name(settings: Settings) -> str:
    """The same after a restart, different for two processes that share a database."""
    return f"{socket.gethostname()}:{settings.presence_bind}"[:128]


class PresenceServer:
    """Everything of one presence process; an ASGI app."""

    def __init__(
        self, settings: Settings, keys: Keys, database: Database, link: RouterLink, node: str
    ) -> None:
        store = Store(database)
        directory = Directory(database, keys, store)
        self.gateway = Gateway(settings, keys, store, directory, link, utc_now, node)
        door = Doorway(self.gateway, asyncio.get_running_loop())
        self.bridge = WsgiBridge(create_app(settings, keys, store, directory, door))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self.gateway(scope, receive, send)
        elif telemetry.takes(scope):
            await telemetry.sink(scope, receive, send)
        elif scope["scheme"] == "https" and not PUBLIC.match(scope["path"]):
            await send({"type": "http.response.start", "status": 404, "headers": []})
            await send({"type": "http.response.body", "body": b""})
        else:
            await self.bridge(scope, receive, send)


async def run_presence(settings: Settings, stop: asyncio.Event) -> None:
    """Serves until `stop`; the database has its tables already.

    DatabaseUnusable and AddressTaken are the operator's to mend.
    """
    keys = load_keys(settings)
    database = Database(settings.database_url("presence"))
    database.check()
    link = HttpRouterLink(settings.router_base(), keys)
    server = PresenceServer(settings, keys, database, link, node_name(settings))
    await server.gateway.start()
    _spare_the_collector()
    sweeping = asyncio.create_task(server.gateway.sweep_forever())
    drained = asyncio.Event()
    draining = asyncio.create_task(_drain_on(stop, server.gateway, drained))
    try:
        await serve(server, listeners(settings), drained)
    finally:
        for task in (sweeping, draining):
            task.cancel()
        server.bridge.close()
        link.close()
        database.close()


def listeners(settings: Settings) -> list[Listener]:
    """The plain listener, and the TLS one unless a proxy does that."""
    plain = Listener(bind=settings.presence_bind)
    if settings.signal_bind == "off":
        return [plain]
    certificate = tls.certificate(settings, utc_now())
    if certificate.ca is not None:
        log.info("clients must trust the development CA", ca=str(certificate.ca))
    return [
        plain,
        Listener(bind=settings.signal_bind, certificate=str(certificate.chain), key=str(certificate.key)),
    ]


def _spare_the_collector() -> None:
    """A query makes thousands of small objects and no cycles: without this, half its time goes to looking for some
    among everything that was imported."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


async def _drain_on(stop: asyncio.Event, gateway: Gateway, drained: asyncio.Event) -> None:
    """Sockets are told to go elsewhere before the listeners close."""
    await stop.wait()
    try:
        await gateway.drain()
    finally:
        drained.set()

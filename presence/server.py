"""The presence server as a process: one ASGI app, on a plain listener for our servers and a TLS one for clients."""

import asyncio
import gc
import re

import structlog

from foundation.clock import utc_now
from foundation.db import Database
from foundation.keys import Keys, load_keys
from foundation.outbound.fetch import Fetcher
from foundation.settings import Settings
from foundation.webserver.bridge import Receive, Scope, Send, WsgiBridge
from foundation.webserver.serve import Listener, serve
from presence import tls
from presence.access.callers import Access
from presence.access.directory import Directory
from presence.access.limits import RefusalLimit
from presence.api.registering import Registering
from presence.app import create_app
from presence.client_messages.stream import MessageStream
from presence.cors import allow_origins
from presence.neighbours import Neighbours
from presence.nodes import Nodes, node_name, node_url
from presence.reading.lookups import Lookups
from presence.router_link import HttpRouterLink, RouterLink
from presence.signalling import telemetry
from presence.signalling.everywhere import Everywhere
from presence.signalling.gateway import Gateway
from presence.signalling.watching import Watching
from presence.store import Store
from presence.subscriptions.delivery import Delivery
from presence.subscriptions.feed import Feed
from presence.subscriptions.stream import PresenceStream
from presence.subscriptions.webhooks import Webhooks

log = structlog.get_logger(__name__)

HERE = b"here=1"
"""Marks what other nodes ask of this one alone (`neighbours`)."""

PUBLIC = re.compile(
    r"""/(livez|presence\.js|v1/openapi\.json|v1/Accounts/[^/]+/(
        Clients/[^/]+/Registrations(/[^/]+)?
        | Clients/[^/]+/Messages(/[^/]+/Acknowledgements)?
        | Clients/[^/]+/Status
        | Statuses(/[^/]+)?
        | ContactLists(/[^/]+(/Clients(/[^/]+)?)?)?
        | Destinations(/[^/]+)?
        | Revocations
        | Subscriptions(/[^/]+)?
        | Presence(/[^/]+)?
    ))\Z""",
    re.VERBOSE,
)
"""What the clients' TLS listener serves over HTTP; the rest is for our own servers, on the plain one."""


class PresenceServer:
    """Everything of one presence process; an ASGI app."""

    def __init__(
        self, settings: Settings, keys: Keys, database: Database, link: RouterLink, neighbours: Neighbours
    ) -> None:
        store = Store(database, cap=settings.endpoints_per_client)
        directory = Directory(database, keys, store)
        limit = RefusalLimit(settings.refusals_per_second)
        self.revocations = directory.revocations
        self.feed = Feed(database, utc_now)
        watching = Watching(self.feed, store, utc_now)
        self.gateway = Gateway(
            settings, keys, store, directory, link, utc_now, neighbours, limit=limit, watching=watching
        )
        door = Everywhere(self.gateway, asyncio.get_running_loop(), neighbours, utc_now)
        app = create_app(settings, keys, store, directory, door, limit=limit)
        self.for_nodes = WsgiBridge(app, threads=8)
        access = Access(keys, directory, _now, limit, capability_tokens=settings.capability_tokens)
        self.bridge = WsgiBridge(app, short=Registering(access, store, door, _now))
        self.stream = PresenceStream(self.feed, access.caller)
        self.messages = MessageStream(self.gateway.texts.inboxes, access.caller, _now)
        self.gateway.texts.streams = self.messages
        fetcher = Fetcher(allow=settings.outbound_allow, ca_bundle=settings.outbound_ca or None)
        self.delivery = Delivery(self.feed, Webhooks(database), directory, fetcher, neighbours.nodes.name)
        self.lookups = Lookups(database, keys, _now, otherwise=self.bridge)
        self.public = allow_origins(self._http, settings.signal_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self.gateway(scope, receive, send)
        elif telemetry.takes(scope):
            await telemetry.sink(scope, receive, send)
        elif PUBLIC.match(scope["path"]) or self._streams(scope):
            await self.public(scope, receive, send)
        else:
            await self._http(scope, receive, send)

    def _streams(self, scope: Scope) -> bool:
        return self.stream.takes(scope) or self.messages.takes(scope)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._streams(scope):
            stream = self.stream if self.stream.takes(scope) else self.messages
            await stream(scope, receive, send)
        elif scope["scheme"] == "https" and not PUBLIC.match(scope["path"]):
            await send({"type": "http.response.start", "status": 404, "headers": []})
            await send({"type": "http.response.body", "body": b""})
        elif scope["query_string"] == HERE:
            await self.for_nodes(scope, receive, send)  # not behind requests that may wait for another node
        else:
            await self.lookups(scope, receive, send)


async def run_presence(settings: Settings, stop: asyncio.Event) -> None:
    """Serves until `stop`; the database has its tables already.

    DatabaseUnusable and AddressTaken are the operator's to mend.
    """
    keys = load_keys(settings)
    database = Database(settings.database_url("presence"))
    database.check()
    link = HttpRouterLink(settings.router_base(), keys)
    neighbours = Neighbours(Nodes(database, node_name(settings), node_url(settings)), keys)
    server = PresenceServer(settings, keys, database, link, neighbours)
    server.revocations.refresh(utc_now().timestamp())
    await server.gateway.membership.start()
    _spare_the_collector()
    sweeping = asyncio.create_task(server.gateway.sweep_forever())
    watching = asyncio.create_task(server.revocations.watch(server.gateway.revoke_where, utc_now))
    texting = asyncio.create_task(server.gateway.texts.run_forever())
    feeding = asyncio.create_task(server.feed.run())
    belonging = asyncio.create_task(server.gateway.membership.keep_forever())
    delivering = asyncio.create_task(server.delivery.run())
    drained = asyncio.Event()
    draining = asyncio.create_task(_drain_on(stop, server, drained))
    try:
        await serve(server, listeners(settings), drained)
    finally:
        for task in (sweeping, watching, texting, feeding, delivering, belonging, draining):
            task.cancel()
        await server.gateway.membership.leave()
        await server.delivery.close()
        server.bridge.close()
        server.for_nodes.close()
        neighbours.close()
        server.lookups.close()
        server.feed.close()
        link.close()
        database.close()


def _now() -> float:
    return utc_now().timestamp()


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
    """A query makes thousands of small objects and no cycles: without the freeze, half its time goes to looking for
    some among everything that was imported. Thousands of sockets are a million objects that stay, and one pass over
    them takes a tenth of a second: so the passes while they arrive are over ten thousand objects (0.3 ms) or a hundred
    thousand (10 ms), and those over everything are rare.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 1_000)


async def _drain_on(stop: asyncio.Event, server: PresenceServer, drained: asyncio.Event) -> None:
    """Sockets and streams are told to go elsewhere before the listeners close."""
    await stop.wait()
    try:
        server.feed.drain()
        await server.gateway.drain()
    finally:
        drained.set()

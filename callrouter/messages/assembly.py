"""All that one router process has for messages, put together and started and stopped in order."""

import asyncio
from random import random

from sqlalchemy import Connection

from callrouter.calls.dispatch import Executor
from callrouter.calls.engine import Engine
from callrouter.calls.executors.texting import Texting
from callrouter.calls.executors.webhooks import Webhooks
from callrouter.carriers.message_ingress import MessageIngress
from callrouter.carriers.webhook import CarrierMessages
from callrouter.media.client import MediaClient
from callrouter.messages import cookies, sessions
from callrouter.messages.abandoning import abandon
from callrouter.messages.asking import Asking
from callrouter.messages.from_clients import FromClients
from callrouter.messages.front import Messages
from callrouter.messages.media import MediaFetching
from callrouter.messages.media_source import MediaSource
from callrouter.messages.retracting import Retracting
from callrouter.messages.routing import rounds as routing
from callrouter.messages.to_clients import ToClients
from callrouter.messages.transport import PRESENCE, Transport
from foundation.clock import Clock
from foundation.db import Database
from foundation.outbound.pool import FetchPool
from foundation.periodic import Periodic
from presence.client import PresenceClient

TIDY_SECONDS = 30.0


class Messaging:
    """Made on the event loop; `front`, `ingress` and `clients` are for Flask's threads."""

    def __init__(
        self,
        engine: Engine,
        database: Database,
        *,
        clock: Clock,
        carriers: CarrierMessages,
        presence: PresenceClient,
        media: MediaClient,
        webhooks: Webhooks,
        apps: FetchPool,
        gateways: FetchPool,
        base_url: str,
    ) -> None:
        """`apps` fetches under the guard against strangers' URLs, `gateways` anywhere."""
        self._engine, self._database = engine, database
        clients = ToClients(engine, presence, poke=lambda: self.front.poke(), random=random)
        transports: dict[str, Transport] = {PRESENCE: clients, "": carriers}
        loop = asyncio.get_running_loop()
        self.front = Messages(engine, database, loop, transports, base_url=base_url)
        self.ingress = MessageIngress(database, self.front, clock, engine.owner)
        self.clients = FromClients(self.front, database, owner=engine.owner, now=engine.now, random=random)
        poke = self.front.poke
        source = MediaSource(media, apps=apps, gateways=gateways, base_url=base_url)
        self.executors: dict[str, Executor] = {
            "message.fetch": Asking(engine, webhooks, base_url, poke).fetch,
            "message.media": MediaFetching(engine, database, source, poke).fetch,
            "message.retract": Retracting(presence).retract,
            "text": Texting(engine, poke).send,
        }
        self.abandon = dict.fromkeys(("message.fetch", "message.media"), abandon)
        self._rounds = [
            Periodic("sessions and cookies of messages", self._tidy, TIDY_SECONDS),
            *routing.periodics(database, engine.now),
        ]

    async def start(self) -> None:
        """Once the engine has its lease."""
        await self.front.start()
        for one in self._rounds:
            one.start()

    async def stop(self) -> None:
        for one in reversed(self._rounds):
            await one.stop()
        await self.front.stop()

    async def _tidy(self) -> None:
        now = self._engine.now()

        def unit(connection: Connection) -> None:
            sessions.expire(connection, now)
            cookies.forget(connection, now)

        await self._database.commit(unit)

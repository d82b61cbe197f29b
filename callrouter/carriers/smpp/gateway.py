"""The gateway as a whole: a control URL for the router, a link to the SMSC, and a store between them."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from callrouter.carriers.simulator.control import ControlServer
from callrouter.carriers.simulator.link import RouterLink
from callrouter.carriers.smpp.courier import Courier
from callrouter.carriers.smpp.incoming import Incoming
from callrouter.carriers.smpp.link import Bind, Link
from callrouter.carriers.smpp.outgoing import MessageDesk
from callrouter.carriers.smpp.receipts import Ids
from callrouter.carriers.smpp.session import Smsc
from callrouter.carriers.smpp.store import forget, open_store
from foundation.periodic import Periodic

QUEUE_SECONDS = 4.0
"""How much may wait, by the rate; the router is told to come back with more, before it would miss an answer."""
GIVE_UP_EVERY, FORGET_EVERY = 1.0, 3_600.0


@dataclass(frozen=True, kw_only=True)
class Options:
    """`carrier` is the name under which the router knows this link; `listen` is where its control URL points."""

    carrier: str
    secret: str = field(repr=False)
    router_url: str
    listen: str
    store: Path
    smsc: Smsc
    bind: Bind = Bind.TRANSCEIVER
    window: int = 10
    rate: float = 20.0
    ids: Ids = Ids.SAME
    piece_seconds: float = 180.0


class Gateway:
    """Runs inside `async with`. DatabaseUnusable when it is made, AddressTaken when it is entered."""

    def __init__(self, options: Options) -> None:
        self._database = open_store(options.store)
        self._router = RouterLink(options.router_url, options.secret)
        self._courier = Courier(self._database, self._router)
        incoming = Incoming(
            options.carrier, self._database, self._courier, options.ids, options.piece_seconds
        )
        self.link = Link(
            options.smsc, options.bind, incoming.deliver, window=options.window, rate=options.rate
        )
        self._desk = MessageDesk(
            options.carrier,
            self._database,
            self.link,
            options.ids,
            self._courier.poke,
            at_once=options.window + int(options.rate * QUEUE_SECONDS),
        )
        self.control = ControlServer(options.listen, options.secret, [self._desk])
        self._rounds = (
            Periodic("messages without all parts", incoming.give_up, GIVE_UP_EVERY),
            Periodic("forgetting", self._forget, FORGET_EVERY),
        )

    async def __aenter__(self) -> Gateway:
        try:
            await self.control.start()
        except BaseException:
            self._close()
            raise
        self._courier.start()
        self.link.start()
        for each in self._rounds:
            each.start()
        return self

    async def __aexit__(self, *_: Any) -> None:
        """Takes no more, lets the SMSC answer for a moment, unbinds. What it did not answer, nobody knows of."""
        await self.control.close()
        await self._desk.close()
        await self.link.close()
        for each in self._rounds:
            await each.stop()
        await self._courier.close()
        self._close()

    async def _forget(self) -> None:
        await self._database.commit(lambda connection: forget(connection, time.time()))

    def _close(self) -> None:
        self._router.close()
        self._database.close()

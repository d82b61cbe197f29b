"""The presence processes that share a database: each renews a lease, and what a dead one held is adopted (PR-81).

A node's row says where the others reach it. Its lease is written and judged by the database's clock, so the nodes'
own clocks may differ. SQLite is for one process: there are no others then, and nothing here touches the database.
"""

import asyncio
import socket
import time
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

import structlog
from sqlalchemy import Connection, delete, func, select, update
from sqlalchemy.dialects import postgresql

from foundation.db import Database
from foundation.settings import Settings, address
from presence.models import nodes

log = structlog.get_logger(__name__)

LEASE = 6.0
"""Seconds after its last renewal at which a node counts as dead."""
RENEW = 2.0
STORE_SECONDS = 5.0
_NOW = func.extract("epoch", func.clock_timestamp())


def node_name(settings: Settings) -> str:
    """The same after a restart, different for two processes that share a database."""
    return f"{socket.gethostname()}:{settings.presence_bind}"[:128]


def node_url(settings: Settings) -> str:
    """Where other presence processes reach this one."""
    host, port = address(settings.presence_bind)
    everywhere = host in ("", "0.0.0.0", "::")  # noqa: S104 - compared, not bound
    ours = f"http://{socket.gethostname()}:{port}" if everywhere else f"http://{settings.presence_bind}"
    return (settings.presence_node_url or ours).rstrip("/")


class Nodes:
    """This process among those that share its database."""

    def __init__(self, database: Database, name: str, url: str = "") -> None:
        self.name, self._url, self._database = name, url, database
        self.shared = not database.sqlite
        self._started = 0.0
        self._renewed = 0.0
        self._others: dict[str, str] = {}

    def others(self) -> Mapping[str, str]:
        """The other living nodes and their URLs, as of the last renewal."""
        return self._others

    def url(self, node: str) -> str | None:
        """Where that node is reached; None when it is dead. May read the database: not for the event loop."""
        if node in self._others or not self.shared:
            return self._others.get(node)
        with self._database.read() as connection:
            found = select(nodes.c.url).where(nodes.c.node == node, nodes.c.lease_until > _NOW)
            url: str | None = connection.execute(found).scalar()
        return url

    def living(self) -> list[str]:
        """The other nodes, also those that joined a moment ago; reads the database."""
        with self._database.read() as connection:
            found = select(nodes.c.node).where(nodes.c.lease_until > _NOW, nodes.c.node != self.name)
            return list(connection.execute(found.order_by(nodes.c.node)).scalars())

    async def join(self) -> None:
        """From now on this node lives, in place of what it was before."""
        if not self.shared:
            return
        row = postgresql.insert(nodes).values(
            node=self.name, url=self._url, started_at=_NOW, lease_until=_NOW + LEASE
        )
        names = ("url", "started_at", "lease_until")
        upsert = row.on_conflict_do_update(
            index_elements=["node"], set_={name: row.excluded[name] for name in names}
        ).returning(nodes.c.started_at)

        def work(connection: Connection) -> float:
            return float(connection.execute(upsert).scalar_one())

        self._started = await _within(self._database.write(work, self.name))
        self._renewed = time.monotonic()
        await self.renew()

    async def renew(self) -> bool:
        """Keeps the lease. False: others may have adopted what this node held, and it must start over."""
        if not self.shared:
            return True
        began = time.monotonic()
        mine = (nodes.c.node == self.name, nodes.c.started_at == self._started)
        renewal = update(nodes).where(*mine).values(lease_until=_NOW + LEASE)
        living = select(nodes.c.node, nodes.c.url).where(
            nodes.c.lease_until > _NOW, nodes.c.node != self.name
        )

        def work(connection: Connection) -> dict[str, str] | None:
            if connection.execute(renewal).rowcount != 1:
                return None
            return {row.node: row.url for row in connection.execute(living)}

        try:
            others = await _within(self._database.write(work, self.name))
        except Exception as error:
            log.warning("the node's lease was not renewed", node=self.name, error=repr(error))
            # Alone, nobody adopts: a database that is away for a while is no reason to send clients away.
            return not self._others or time.monotonic() - self._renewed < LEASE
        if others is None:
            return False
        self._others, self._renewed = others, began
        return True

    async def leave(self) -> None:
        """A gentle end: the others need not wait for the lease to run out."""
        if self.shared:
            mine = (nodes.c.node == self.name, nodes.c.started_at == self._started)
            gone = update(nodes).where(*mine).values(lease_until=0.0)
            await _within(self._database.write(lambda connection: _run(connection, gone), self.name))

    def dead(self) -> list[str]:
        """Nodes whose lease has ended and whom nobody has adopted yet; reads the database."""
        with self._database.read() as connection:
            found = select(nodes.c.node).where(nodes.c.lease_until <= _NOW, nodes.c.node != self.name)
            return list(connection.execute(found.order_by(nodes.c.node)).scalars())

    def bury(self, connection: Connection, node: str) -> bool:
        """Part of the unit of work that adopts what it held: whether it fell to us, and to no other."""
        gone = delete(nodes).where(nodes.c.node == node, nodes.c.lease_until <= _NOW)
        return connection.execute(gone).rowcount == 1


def _run(connection: Connection, statement: Any) -> None:
    connection.execute(statement)


async def _within(future: "Future[Any]") -> Any:
    async with asyncio.timeout(STORE_SECONDS):
        return await asyncio.wrap_future(future)

"""What a node holds, in the database: the rows of its sockets' devices, of its calls and of its parts of invites.

A row belongs to the node that it names. A node writes rows of its own only, so one that is slow to hear that a device
has moved, or that it counts as dead itself, changes nothing of what others hold by now.
"""

from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, case, delete, select, update

from presence import rows
from presence.models import calls, endpoints, invites
from presence.nodes import Nodes
from presence.registration import Endpoint
from presence.signalling.ledger import RINGING, Ledger, as_invite, as_rung
from presence.store import Key, Store

_TOUCH = (
    update(endpoints)
    .where(
        endpoints.c.account_sid == bindparam("a"),
        endpoints.c.client == bindparam("c"),
        endpoints.c.endpoint_id == bindparam("e"),
        endpoints.c.node == bindparam("n"),
    )
    .values(expires_at=bindparam("expires"), refreshed_at=bindparam("refreshed"))
)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a device is: the node that holds its socket ("" for none), and until when it is on a call."""

    endpoint_id: str
    node: str
    busy_until: float
    token_digest: str


class Holdings:
    """The rows of this node, and where others' devices are."""

    def __init__(self, store: Store, ledger: Ledger, nodes: Nodes) -> None:
        self._database, self._ledger, self._nodes = store.database, ledger, nodes
        self._mine = (endpoints.c.node == nodes.name) & endpoints.c.socket

    def touch(self, lives: Mapping[Key, tuple[float, float]]) -> "Future[None]":
        """Many heartbeats as one statement: endpoint -> (refreshed_at, expires_at). Published to nobody (PR-13)."""
        beats = [
            {"a": key[0], "c": key[1], "e": key[2], "n": self._nodes.name, "refreshed": at, "expires": until}
            for key, (at, until) in sorted(lives.items())
        ]

        def work(connection: Connection) -> None:
            connection.execute(_TOUCH, beats)

        return self._database.write(work)

    def shorten(self, limit: float) -> "Future[list[Endpoint]]":
        """At the start: this node's devices of before live until `limit` at most; answers with them."""

        def work(connection: Connection) -> list[Endpoint]:
            connection.execute(
                update(endpoints).where(self._mine, endpoints.c.expires_at > limit).values(expires_at=limit)
            )
            return [rows.endpoint(row) for row in connection.execute(select(endpoints).where(self._mine))]

        return self._database.write(work)

    def adopt(self, dead: str, limit: float) -> "Future[list[Endpoint] | None]":
        """Takes over everything of a dead node, devices until `limit` at most; None when another node has done so."""
        theirs = (endpoints.c.node == dead) & endpoints.c.socket
        shorter = case((endpoints.c.expires_at > limit, limit), else_=endpoints.c.expires_at)
        devices = (
            update(endpoints)
            .where(theirs)
            .values(node=self._nodes.name, expires_at=shorter)
            .returning(*endpoints.columns)
        )
        ringing = (invites.c.node == dead) & (invites.c.state == RINGING)

        def work(connection: Connection) -> list[Endpoint] | None:
            if not self._nodes.bury(connection, dead):
                return None
            connection.execute(update(calls).where(calls.c.node == dead).values(node=self._nodes.name))
            for row in connection.execute(select(invites).where(ringing)).all():
                self._ledger.inherit_in(connection, as_invite(row), as_rung(row.answer))
            connection.execute(delete(invites).where(ringing))
            return [rows.endpoint(row) for row in connection.execute(devices)]

        return self._database.write(work)

    def devices(self) -> dict[Key, str]:
        """This node's devices with their SIDs; reads the database."""
        names = ("account_sid", "client", "endpoint_id", "sid")
        with self._database.read() as connection:
            found = connection.execute(select(*(endpoints.c[name] for name in names)).where(self._mine))
            return {(account, client, endpoint): sid for account, client, endpoint, sid in found}

    def calls(self) -> set[tuple[str, str]]:
        """This node's calls, by account and SID; reads the database."""
        with self._database.read() as connection:
            found = select(calls.c.account_sid, calls.c.call_sid).where(calls.c.node == self._nodes.name)
            return {(account_sid, call_sid) for account_sid, call_sid in connection.execute(found)}

    def places(
        self, account_sid: str, client: str, now: float, endpoint_ids: Iterable[str] = ()
    ) -> list[Place]:
        """Where the client's devices with sockets are: the live ones, or of these those that there are."""
        wanted = list(endpoint_ids)
        these = endpoints.c.endpoint_id.in_(wanted) if wanted else endpoints.c.expires_at > now
        names = ("endpoint_id", "node", "busy_until", "token_digest")
        query = select(*(endpoints.c[name] for name in names)).where(
            endpoints.c.account_sid == account_sid, endpoints.c.client == client, endpoints.c.socket, these
        )
        with self._database.read() as connection:
            return [Place(**row._mapping) for row in connection.execute(query)]

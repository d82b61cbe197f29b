"""Invites and calls in the database, so that ringing and living calls outlive this process.

An invite has a row for each node that rings for it: a node's part. A call has one row, which names the node that its
device is at, or will come back to.
"""

import json
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import structlog
from sqlalchemy import Connection, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from presence.changes import LOCK
from presence.models import calls, invites
from presence.store import Store

log = structlog.get_logger(__name__)

KEPT = 300.0  # seconds for which an ended invite still answers repeats
LEASE = 60.0
"""Seconds for which a call makes its device busy after the router last said that it lives (PR-24)."""
RINGING, ACCEPTED, CANCELLED = "ringing", "accepted", "cancelled"


@dataclass(frozen=True, kw_only=True)
class Invite:
    """A call that rings at one client's endpoints, as the router asked for it; moments in Unix seconds.

    `waves`: who rings in turn, `every` so many seconds, endpoints of all nodes (empty: one wave of `endpoints`).
    `out`: who fell out of it, and when.
    """

    account_sid: str
    call_sid: str
    client: str
    endpoints: tuple[str, ...]
    sdp: str
    ring_token: str
    parameters: dict[str, Any]
    expires_at: float
    waves: tuple[tuple[str, ...], ...] = ()
    every: float = 0.0
    created_at: float = 0.0
    out: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Rung:
    """Which endpoints ring, and why others do not; an endpoint that is away for a moment rings when it is back."""

    rung: tuple[str, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()

    def __add__(self, other: "Rung") -> "Rung":
        """Both; an endpoint that rings somewhere is not skipped."""
        rung = tuple(dict.fromkeys((*self.rung, *other.rung)))
        skipped = dict(one for one in (*self.skipped, *other.skipped) if one[0] not in rung)
        return Rung(rung=rung, skipped=tuple(skipped.items()))


@dataclass(frozen=True, kw_only=True)
class BoundCall:
    """A call that belongs to a client; `ufrag` names the media session that its device has."""

    account_sid: str
    call_sid: str
    client: str
    endpoint_id: str
    incoming: bool
    ufrag: str


class Ledger:
    """The durable side of calls, for one node."""

    def __init__(self, store: Store, node: str) -> None:
        self._store, self._node = store, node
        self._database = store.database
        self._upserting: Any = sqlite.insert if store.database.sqlite else postgresql.insert

    def open_invite(self, invite: Invite, rung: Rung) -> "Future[Rung | None]":
        """Stores this node's part before anybody is rung. Answers with the stored answer when it was known already
        and rings somebody; with an empty one when the invite has ended before it came, here or at another node."""

        def work(connection: Connection) -> Rung | None:
            connection.execute(LOCK, {"account": invite.account_sid})
            known = connection.execute(
                select(invites).where(*_this(invites, invite.account_sid, invite.call_sid))
            ).all()
            mine = next((row for row in known if row.node == self._node), None)
            if mine is not None and (mine.state != RINGING or as_rung(mine.answer).rung):
                return as_rung(mine.answer)
            if any(row.state != RINGING for row in known):
                return Rung()
            if mine is not None:  # it rang nobody
                this = _this(invites, invite.account_sid, invite.call_sid)
                connection.execute(delete(invites).where(*this, invites.c.node == self._node))
            connection.execute(self._upserting(invites), self._row(invite, rung))
            return None

        return self._database.write(work, invite.account_sid)

    def cancel_invite(self, account_sid: str, call_sid: str, now: float) -> "Future[list[str]]":
        """Ends an invite, all parts of it; one that has not arrived yet will ring nobody when it does. Answers with
        the other nodes that have a part."""
        mark = Invite(
            account_sid=account_sid,
            call_sid=call_sid,
            client="",
            endpoints=(),
            sdp="",
            ring_token="",
            parameters={},
            expires_at=now,
        )
        row = {**self._row(mark, Rung()), "state": CANCELLED}

        def work(connection: Connection) -> list[str]:
            connection.execute(LOCK, {"account": account_sid})
            nodes = self._end_in(connection, account_sid, call_sid, CANCELLED)
            if self._node not in nodes:
                connection.execute(self._upserting(invites), row)
            return [node for node in nodes if node != self._node]

        return self._database.write(work, account_sid)

    def accept_invite(self, account_sid: str, call_sid: str) -> "Future[list[str]]":
        """Somebody took the call. Answers with the other nodes that have a part."""

        def work(connection: Connection) -> list[str]:
            nodes = self._end_in(connection, account_sid, call_sid, ACCEPTED)
            return [node for node in nodes if node != self._node]

        return self._database.write(work, account_sid)

    @staticmethod
    def _end_in(connection: Connection, account_sid: str, call_sid: str, state: str) -> list[str]:
        ended = update(invites).where(*_this(invites, account_sid, call_sid)).values(state=state)
        return list(connection.execute(ended.returning(invites.c.node)).scalars())

    def fall_out(self, account_sid: str, call_sid: str, out: Mapping[str, float]) -> "Future[list[str]]":
        """These endpoints ring no more. Answers with the other nodes that have a part."""

        def work(connection: Connection) -> list[str]:
            this = _this(invites, account_sid, call_sid)
            found = connection.execute(select(invites.c.node, invites.c.answer).where(*this)).all()
            for row in found:
                if row.node == self._node:
                    answer = json.loads(row.answer)
                    answer["out"] = {**answer.get("out", {}), **out}
                    mine = update(invites).where(*this, invites.c.node == self._node)
                    connection.execute(mine.values(answer=json.dumps(answer)))
            return [row.node for row in found if row.node != self._node]

        return self._database.write(work, account_sid)

    def follow_invites(
        self, account_sid: str, client: str, endpoint_id: str, now: float
    ) -> "Future[list[tuple[Invite, Rung]]]":
        """A device came here from another node: this node takes a part in what rings for it."""
        theirs = select(invites).where(
            invites.c.account_sid == account_sid,
            invites.c.client == client,
            invites.c.state == RINGING,
            invites.c.expires_at > now,
        )

        def work(connection: Connection) -> list[tuple[Invite, Rung]]:
            connection.execute(LOCK, {"account": account_sid})
            followed = []
            for row in connection.execute(theirs).all():
                invite = as_invite(row)
                if endpoint_id in as_rung(row.answer).rung and endpoint_id not in invite.out:
                    followed.append((invite, self.inherit_in(connection, invite, Rung(rung=(endpoint_id,)))))
            return followed

        return self._database.write(work, account_sid)

    def inherit_in(self, connection: Connection, invite: Invite, rung: Rung) -> Rung:
        """Adds to this node's part of an invite what another node's was; answers with the whole of it."""
        mine = (*_this(invites, invite.account_sid, invite.call_sid), invites.c.node == self._node)
        known = connection.execute(select(invites).where(*mine)).one_or_none()
        if known is None:
            connection.execute(self._upserting(invites), self._row(invite, rung))
            return rung
        whole = as_rung(known.answer) + rung
        answer = _answer(whole, {**as_invite(known).out, **invite.out})
        connection.execute(update(invites).where(*mine).values(answer=answer))
        return whole

    def _row(self, invite: Invite, rung: Rung) -> dict[str, Any]:
        return {
            "account_sid": invite.account_sid,
            "call_sid": invite.call_sid,
            "client": invite.client,
            "sdp": invite.sdp,
            "ring_token": invite.ring_token,
            "parameters": json.dumps(invite.parameters),
            "answer": _answer(rung, invite.out),
            "waves": json.dumps(invite.waves),
            "every": invite.every,
            "created_at": invite.created_at,
            "state": RINGING,
            "node": self._node,
            "expires_at": invite.expires_at,
        }

    def parts(self, account_sid: str, call_sid: str) -> list[tuple[str, str, Rung]]:
        """Node, state and answer of every part of an invite."""
        wanted = select(invites.c.node, invites.c.state, invites.c.answer)
        with self._database.read() as connection:
            rows = connection.execute(wanted.where(*_this(invites, account_sid, call_sid))).all()
        return [(row.node, row.state, as_rung(row.answer)) for row in rows]

    def ended(self, now: float) -> dict[tuple[str, str], str]:
        """This node's invites that others have ended before their time, and how."""
        wanted = (invites.c.node == self._node, invites.c.state != RINGING, invites.c.expires_at > now)
        with self._database.read() as connection:
            rows = connection.execute(
                select(invites.c.account_sid, invites.c.call_sid, invites.c.state).where(*wanted)
            )
            return {(row.account_sid, row.call_sid): row.state for row in rows}

    def bind(self, call: BoundCall, now: float) -> "Future[None]":
        """Keeps whose call it is and which media session its device has, and makes the device busy."""
        until = now + LEASE
        row = self._upserting(calls).values(**vars(call), node=self._node, lease_until=until)
        names = ("client", "endpoint_id", "incoming", "ufrag", "node", "lease_until")
        upsert = row.on_conflict_do_update(
            index_elements=["account_sid", "call_sid"], set_={name: row.excluded[name] for name in names}
        )
        mine = select(calls).where(*_this(calls, call.account_sid, call.call_sid))

        def work(connection: Connection) -> None:
            connection.execute(LOCK, {"account": call.account_sid})
            before = connection.execute(mine).one_or_none()
            connection.execute(upsert)
            if before is not None and (before.client, before.endpoint_id) != (call.client, call.endpoint_id):
                self._engage(connection, call.account_sid, before.client, before.endpoint_id, now)
            self._engage(connection, call.account_sid, call.client, call.endpoint_id, now)

        return self._database.write(work, call.account_sid)

    def unbind(self, account_sid: str, call_sid: str, now: float) -> "Future[bool]":
        """The call is over: its device is free, unless it has another one. False, and nothing happens, when another
        node has the call meanwhile."""
        mine = _this(calls, account_sid, call_sid)

        def work(connection: Connection) -> bool:
            connection.execute(LOCK, {"account": account_sid})
            before = connection.execute(select(calls).where(*mine)).one_or_none()
            if before is None:
                return True
            if before.node != self._node:
                return False
            connection.execute(delete(calls).where(*mine))
            self._engage(connection, account_sid, before.client, before.endpoint_id, now)
            return True

        return self._database.write(work, account_sid)

    def call(self, account_sid: str, call_sid: str) -> tuple[BoundCall, str] | None:
        """A call and the node that has it; reads the database."""
        with self._database.read() as connection:
            row = connection.execute(select(calls).where(*_this(calls, account_sid, call_sid))).one_or_none()
        return None if row is None else (_bound(row), row.node)

    def take(self, call: BoundCall) -> "Future[bool]":
        """The call's device is back at this node; False when the call has ended meanwhile."""
        this = update(calls).where(*_this(calls, call.account_sid, call.call_sid)).values(node=self._node)

        def work(connection: Connection) -> bool:
            return connection.execute(this).rowcount == 1

        return self._database.write(work, call.account_sid)

    def renew(self, account_sid: str, call_sids: Iterable[str], now: float) -> "Future[list[str]]":
        """The router says that these calls live: their devices stay busy. Answers with those that are not known."""
        wanted = list(call_sids)
        mine = (calls.c.account_sid == account_sid, calls.c.call_sid.in_(wanted))

        def work(connection: Connection) -> list[str]:
            connection.execute(LOCK, {"account": account_sid})
            known = connection.execute(select(calls).where(*mine)).all()
            connection.execute(update(calls).where(*mine).values(lease_until=now + LEASE))
            for client, endpoint_id in sorted({(row.client, row.endpoint_id) for row in known}):
                self._engage(connection, account_sid, client, endpoint_id, now)
            return sorted(set(wanted) - {row.call_sid for row in known})

        return self._database.write(work, account_sid)

    def _engage(
        self, connection: Connection, account_sid: str, client: str, endpoint_id: str, now: float
    ) -> None:
        """The device is busy for as long as the longest lease of its calls."""
        leases = select(func.max(calls.c.lease_until)).where(
            calls.c.account_sid == account_sid, calls.c.client == client, calls.c.endpoint_id == endpoint_id
        )
        until = connection.execute(leases).scalar() or 0.0
        self._store.engage_in(connection, account_sid, client, endpoint_id, until, now)

    def sweep(self, now: float) -> "Future[None]":
        """Forgets invites that ended long enough ago."""

        def work(connection: Connection) -> None:
            connection.execute(delete(invites).where(invites.c.expires_at < now - KEPT))

        return self._database.write(work)

    def pending(self, now: float) -> list[tuple[Invite, Rung]]:
        """This node's invites that still ring."""
        wanted = (invites.c.node == self._node, invites.c.state == RINGING, invites.c.expires_at > now)
        with self._database.read() as connection:
            rows = connection.execute(select(invites).where(*wanted)).all()
        return [(as_invite(row), as_rung(row.answer)) for row in rows]

    def bound(self) -> list[BoundCall]:
        """This node's calls."""
        with self._database.read() as connection:
            return [
                _bound(row) for row in connection.execute(select(calls).where(calls.c.node == self._node))
            ]


def report(done: "Future[Any]") -> None:
    """For writes that nobody waits for."""
    if not done.cancelled() and done.exception() is not None:
        log.error("a call's record was not stored", error=str(done.exception()))


def _this(table: Any, account_sid: str, call_sid: str) -> tuple[Any, Any]:
    return table.c.account_sid == account_sid, table.c.call_sid == call_sid


def _answer(rung: Rung, out: Mapping[str, float]) -> str:
    return json.dumps({"rung": rung.rung, "skipped": rung.skipped, "out": dict(out)})


def as_rung(answer: str) -> Rung:
    """What the router was told, of a row's answer."""
    stored = json.loads(answer)
    return Rung(
        rung=tuple(stored.get("rung", ())),
        skipped=tuple((one, why) for one, why in stored.get("skipped", ())),
    )


def as_invite(row: Any) -> Invite:
    """The invite of a row; its endpoints are those that the row's node rings."""
    return Invite(
        account_sid=row.account_sid,
        call_sid=row.call_sid,
        client=row.client,
        endpoints=as_rung(row.answer).rung,
        sdp=row.sdp,
        ring_token=row.ring_token,
        parameters=json.loads(row.parameters),
        expires_at=row.expires_at,
        waves=tuple(tuple(wave) for wave in json.loads(row.waves)),
        every=row.every,
        created_at=row.created_at,
        out=json.loads(row.answer).get("out", {}),
    )


def _bound(row: Any) -> BoundCall:
    return BoundCall(
        account_sid=row.account_sid,
        call_sid=row.call_sid,
        client=row.client,
        endpoint_id=row.endpoint_id,
        incoming=bool(row.incoming),
        ufrag=row.ufrag,
    )

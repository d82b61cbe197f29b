"""Invites and calls in the database, so that ringing and living calls outlive this process."""

import json
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import Connection, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from foundation.db import DatabaseOverloaded
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
    """A call that rings at one client's endpoints, as the router asked for it; `expires_at` in Unix seconds."""

    account_sid: str
    call_sid: str
    client: str
    endpoints: tuple[str, ...]
    sdp: str
    ring_token: str
    parameters: dict[str, Any]
    expires_at: float


@dataclass(frozen=True, kw_only=True)
class Rung:
    """Which endpoints ring, and why others do not; an endpoint that is away for a moment rings when it is back."""

    rung: tuple[str, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()


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
        """Stores an invite before anybody is rung. Answers with the stored answer when it was known already."""
        row = {
            "account_sid": invite.account_sid,
            "call_sid": invite.call_sid,
            "client": invite.client,
            "sdp": invite.sdp,
            "ring_token": invite.ring_token,
            "parameters": json.dumps(invite.parameters),
            "answer": json.dumps({"rung": rung.rung, "skipped": rung.skipped}),
            "waves": "[]",
            "every": 0.0,
            "created_at": 0.0,
            "state": RINGING,
            "node": self._node,
            "expires_at": invite.expires_at,
        }

        def work(connection: Connection) -> Rung | None:
            fresh = self._upserting(invites).on_conflict_do_nothing().returning(invites.c.call_sid)
            if connection.execute(fresh, row).one_or_none() is not None:
                return None
            known = connection.execute(
                select(invites.c.answer).where(
                    *_this(invites, invite.account_sid, invite.call_sid), invites.c.node == self._node
                )
            )
            return _rung(known.scalar_one())

        return self._database.write(work, invite.account_sid)

    def cancel_invite(self, account_sid: str, call_sid: str, now: float) -> "Future[None]":
        """Ends an invite; one that has not arrived yet will ring nobody when it does."""
        mark = self._upserting(invites).values(
            account_sid=account_sid,
            call_sid=call_sid,
            client="",
            sdp="",
            ring_token="",
            parameters="{}",
            answer="{}",
            waves="[]",
            every=0.0,
            created_at=now,
            state=CANCELLED,
            node=self._node,
            expires_at=now,
        )
        ended = mark.on_conflict_do_update(
            index_elements=["account_sid", "call_sid", "node"], set_={"state": CANCELLED}
        )

        def work(connection: Connection) -> None:
            connection.execute(ended)

        return self._database.write(work, account_sid)

    def accept_invite(self, account_sid: str, call_sid: str) -> None:
        accepted = update(invites).where(*_this(invites, account_sid, call_sid)).values(state=ACCEPTED)
        self._later(lambda connection: connection.execute(accepted), account_sid)

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

    def unbind(self, account_sid: str, call_sid: str, now: float) -> None:
        """The call is over: its device is free, unless it has another one."""
        mine = _this(calls, account_sid, call_sid)

        def work(connection: Connection) -> None:
            connection.execute(LOCK, {"account": account_sid})
            before = connection.execute(select(calls).where(*mine)).one_or_none()
            if before is not None:
                connection.execute(delete(calls).where(*mine))
                self._engage(connection, account_sid, before.client, before.endpoint_id, now)

        self._later(work, account_sid)

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
        return [(_invite(row), _rung(row.answer)) for row in rows]

    def bound(self) -> list[BoundCall]:
        """This node's calls."""
        with self._database.read() as connection:
            rows = connection.execute(select(calls).where(calls.c.node == self._node)).all()
        return [
            BoundCall(
                account_sid=row.account_sid,
                call_sid=row.call_sid,
                client=row.client,
                endpoint_id=row.endpoint_id,
                incoming=bool(row.incoming),
                ufrag=row.ufrag,
            )
            for row in rows
        ]

    def _later(self, work: Any, key: str) -> None:
        def report(done: "Future[Any]") -> None:
            if not done.cancelled() and done.exception() is not None:
                log.error("a call's record was not stored", error=str(done.exception()))

        try:
            self._database.write(lambda connection: (work(connection), None)[1], key).add_done_callback(
                report
            )
        except DatabaseOverloaded as error:
            log.error("a call's record was not stored", error=str(error))


def _this(table: Any, account_sid: str, call_sid: str) -> tuple[Any, Any]:
    return table.c.account_sid == account_sid, table.c.call_sid == call_sid


def _rung(answer: str) -> Rung:
    stored = json.loads(answer)
    return Rung(
        rung=tuple(stored.get("rung", ())),
        skipped=tuple((one, why) for one, why in stored.get("skipped", ())),
    )


def _invite(row: Any) -> Invite:
    return Invite(
        account_sid=row.account_sid,
        call_sid=row.call_sid,
        client=row.client,
        endpoints=_rung(row.answer).rung,
        sdp=row.sdp,
        ring_token=row.ring_token,
        parameters=json.loads(row.parameters),
        expires_at=row.expires_at,
    )

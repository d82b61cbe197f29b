"""Invites and calls in the database, so that ringing and living calls outlive this process."""

import json
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import Connection, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from foundation.db import Database, DatabaseOverloaded
from presence.models import calls, invites

log = structlog.get_logger(__name__)

KEPT = 300.0  # seconds for which an ended invite still answers repeats
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

    def __init__(self, database: Database, node: str) -> None:
        self._database, self._node = database, node
        self._upserting: Any = sqlite.insert if database.sqlite else postgresql.insert

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
            "state": RINGING,
            "node": self._node,
            "expires_at": invite.expires_at,
        }

        def work(connection: Connection) -> Rung | None:
            fresh = self._upserting(invites).on_conflict_do_nothing().returning(invites.c.call_sid)
            if connection.execute(fresh, row).one_or_none() is not None:
                return None
            known = connection.execute(
                select(invites.c.answer).where(*_this(invites, invite.account_sid, invite.call_sid))
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
            state=CANCELLED,
            node=self._node,
            expires_at=now,
        )
        ended = mark.on_conflict_do_update(
            index_elements=["account_sid", "call_sid"], set_={"state": CANCELLED}
        )

        def work(connection: Connection) -> None:
            connection.execute(ended)

        return self._database.write(work, account_sid)

    def accept_invite(self, account_sid: str, call_sid: str) -> None:
        accepted = update(invites).where(*_this(invites, account_sid, call_sid)).values(state=ACCEPTED)
        self._later(lambda connection: connection.execute(accepted), account_sid)

    def bind(self, call: BoundCall) -> "Future[None]":
        """Keeps whose call it is and which media session its device has."""
        row = self._upserting(calls).values(**vars(call), node=self._node)
        names = ("client", "endpoint_id", "incoming", "ufrag", "node")
        upsert = row.on_conflict_do_update(
            index_elements=["account_sid", "call_sid"], set_={name: row.excluded[name] for name in names}
        )

        def work(connection: Connection) -> None:
            connection.execute(upsert)

        return self._database.write(work, call.account_sid)

    def unbind(self, account_sid: str, call_sid: str) -> None:
        gone = delete(calls).where(*_this(calls, account_sid, call_sid))
        self._later(lambda connection: connection.execute(gone), account_sid)

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

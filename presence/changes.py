"""The change log: every change of an account gets the next sequence number, in the transaction that makes it.

A number is given under the lock of the account's row, so whoever has seen number n has seen all before it, whichever
process wrote them. Each change carries what watchers see of the client afterwards (PR-36, PR-42).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from presence import rows
from presence.models import accounts, changes, clients, endpoints
from presence.registration import NOBODY, Change, Consolidated, Endpoint, consolidate, seen

ACCOUNT = accounts.c.account_sid == bindparam("account")
LOCK = select(accounts.c.status).where(ACCOUNT).with_for_update()
"""Taken first by every unit of work that changes something of an account: so none waits for another in a circle."""
KNOWN = select(endpoints).where(
    endpoints.c.account_sid == bindparam("account"), endpoints.c.client == bindparam("client")
)
CLIENT = select(clients).where(
    clients.c.account_sid == bindparam("account"), clients.c.client == bindparam("client")
)
_NEXT = (
    update(accounts).where(ACCOUNT).values(sequence=accounts.c.sequence + 1).returning(accounts.c.sequence)
)
_INSERT = insert(changes)
_PUBLISHED = ("version", "updated_at", "status", "available", "capabilities", "note")


@dataclass(frozen=True, kw_only=True)
class Logged:
    """A change as it was numbered."""

    sequence: int
    version: int


class ChangeLog:
    """Writes changes; part of a unit of work that has the account's lock."""

    def __init__(self, *, sqlite_: bool) -> None:
        upserting: Any = sqlite.insert if sqlite_ else postgresql.insert
        row = upserting(clients)
        self._publish = row.on_conflict_do_update(
            index_elements=["account_sid", "client"], set_={name: row.excluded[name] for name in _PUBLISHED}
        )
        self._choose = row.on_conflict_do_update(
            index_elements=["account_sid", "client"],
            set_={name: row.excluded[name] for name in ("chosen_status", "chosen_note")},
        )

    def add(
        self,
        connection: Connection,
        account_sid: str,
        client: str,
        kind: Change,
        now: float,
        *,
        endpoint_id: str = "",
        after: Iterable[Endpoint] | None = None,
        list_: str = "",
    ) -> Logged:
        """Numbers a change. `after`: the client's endpoints as they are now, if the caller has them at hand."""
        whose = {"account": account_sid, "client": client}
        if after is None:
            after = map(rows.endpoint, connection.execute(KNOWN, whose))
        whole = consolidate(map(seen, after), now, hidden=False)
        before = connection.execute(CLIENT, whose).one_or_none()
        version = (before.version if before else 0) + 1
        sequence = connection.execute(_NEXT, {"account": account_sid}).scalar_one()
        told = _told(whole)
        known = _row(before) if before else _told(NOBODY)
        key = {"account_sid": account_sid, "client": client}
        chosen = {
            "chosen_status": before.chosen_status if before else "",
            "chosen_note": before.chosen_note if before else "",
        }
        connection.execute(self._publish, {**key, **chosen, **told, "version": version, "updated_at": now})
        connection.execute(
            _INSERT,
            {
                **key,
                **told,
                "sequence": sequence,
                "version": version,
                "endpoint_id": endpoint_id,
                "kind": kind.value,
                "at": now,
                "visible": told != known or bool(list_),
                "list": list_,
            },
        )
        return Logged(sequence=sequence, version=version)

    def choose(self, connection: Connection, account_sid: str, client: str, status: str, note: str) -> None:
        """Keeps what the client said of itself, for devices that register later without a word of their own."""
        nobody = {**_told(NOBODY), "version": 0, "updated_at": 0.0}
        row = {"account_sid": account_sid, "client": client, "chosen_status": status, "chosen_note": note}
        connection.execute(self._choose, {**row, **nobody})


def _told(whole: Consolidated) -> dict[str, Any]:
    return {
        "status": whole.status,
        "available": whole.available,
        "capabilities": ",".join(whole.capabilities),
        "note": whole.note,
    }


def _row(client: Any) -> dict[str, Any]:
    return {
        "status": client.status,
        "available": bool(client.available),
        "capabilities": client.capabilities,
        "note": client.note,
    }

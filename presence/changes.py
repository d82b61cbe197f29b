"""The change log: every change of an account gets the next sequence number, in the transaction that makes it.

A number is given under the lock of the account's row, so whoever has seen number n has seen all before it, whichever
process wrote them. Each change carries what watchers see of the client afterwards (PR-36, PR-42).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, event, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from foundation.db import Database, later
from presence import rows
from presence.faults import Absent
from presence.models import accounts, changes, clients, endpoints
from presence.registration import NOBODY, Change, Endpoint, consolidate, seen

ACCOUNT = accounts.c.account_sid == bindparam("account")
LOCK = select(accounts.c.status).where(ACCOUNT).with_for_update()
"""Taken first by every unit of work that changes something of an account: so none waits for another in a circle."""
KNOWN = select(endpoints).where(
    endpoints.c.account_sid == bindparam("account"), endpoints.c.client == bindparam("client")
)
CLIENT = select(clients).where(
    clients.c.account_sid == bindparam("account"), clients.c.client == bindparam("client")
)
_THEIR_DEVICES, _THEM = (
    select(table).where(
        table.c.account_sid == bindparam("account"), table.c.client.in_(bindparam("names", expanding=True))
    )
    for table in (endpoints, clients)
)
_NEXT = (
    update(accounts)
    .where(ACCOUNT)
    .values(sequence=accounts.c.sequence + bindparam("count"))
    .returning(accounts.c.sequence)
)
_INSERT = insert(changes)
_PUBLISHED = ("version", "updated_at", "status", "available", "capabilities", "note")
_CHANGED = "presence.changed"
_AT_ONCE = 500  # names in one statement


class Told(NamedTuple):
    """What watchers without sight of devices know of a client (PR-44)."""

    status: str = NOBODY.status
    available: bool = False
    capabilities: str = ""
    note: str = ""


class ClientRow(NamedTuple):
    """What is stored of a client itself: its version, what it chose, and what watchers were told last."""

    version: int = 0
    chosen_status: str = ""
    chosen_note: str = ""
    status: str = NOBODY.status
    available: bool = False
    capabilities: str = ""
    note: str = ""

    @property
    def chosen(self) -> tuple[str, str]:
        """Its own status and note, for devices that say nothing else."""
        return self.chosen_status, self.chosen_note


NEVER_SEEN = ClientRow()


@dataclass(frozen=True, kw_only=True)
class Logged:
    """A change as it was numbered."""

    sequence: int
    version: int


@dataclass(frozen=True, kw_only=True)
class Happened:
    """A change that has no number yet; `list` for a membership."""

    client: str
    kind: Change
    endpoint_id: str = ""
    list: str = ""


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
        after: Collection[Endpoint] | None = None,
        before: ClientRow | None = None,
        list_: str = "",
        was: Sequence[Endpoint] | None = None,
    ) -> Logged:
        """Numbers a change. `after`: the client's endpoints as they are now, and `before`: the client's row as it
        was, if the caller has them at hand. `was`: its endpoints as they were, for who has looked since one ended
        that nobody has published yet."""
        whose = {"account": account_sid, "client": client}
        if after is None:
            after = [rows.endpoint(row) for row in connection.execute(KNOWN, whose)]
        if before is None:
            before = client_row(connection.execute(CLIENT, whose).one_or_none())
        happened = [Happened(client=client, kind=kind, endpoint_id=endpoint_id, list=list_)]
        were = {} if was is None else {client: was}
        return self._write(connection, account_sid, happened, {client: before}, {client: after}, were, now)[0]

    def add_all(
        self,
        connection: Connection,
        account_sid: str,
        happened: Sequence[Happened],
        now: float,
        *,
        were: Mapping[str, Sequence[Endpoint]] | None = None,
    ) -> list[Logged]:
        """Numbers many changes in their order, by a few statements for each 500 of them. `were`: as `was` of `add`,
        for each client."""
        logged: list[Logged] = []
        for part in (happened[n : n + _AT_ONCE] for n in range(0, len(happened), _AT_ONCE)):
            wanted = {"account": account_sid, "names": list({one.client for one in part})}
            after: dict[str, list[Endpoint]] = {}
            for row in connection.execute(_THEIR_DEVICES, wanted):
                after.setdefault(row.client, []).append(rows.endpoint(row))
            before = {row.client: client_row(row) for row in connection.execute(_THEM, wanted)}
            logged += self._write(connection, account_sid, part, before, after, were or {}, now)
        return logged

    def choose(self, connection: Connection, account_sid: str, client: str, status: str, note: str) -> None:
        """Keeps what the client said of itself, for devices that register later without a word of their own."""
        nobody = {**Told()._asdict(), "version": 0, "updated_at": 0.0}
        row = {"account_sid": account_sid, "client": client, "chosen_status": status, "chosen_note": note}
        connection.execute(self._choose, {**row, **nobody})

    def _write(
        self,
        connection: Connection,
        account_sid: str,
        happened: Sequence[Happened],
        before: Mapping[str, ClientRow],
        after: Mapping[str, Collection[Endpoint]],
        were: Mapping[str, Sequence[Endpoint]],
        now: float,
    ) -> list[Logged]:
        last = connection.execute(_NEXT, {"account": account_sid, "count": len(happened)}).scalar_one()
        rows_ = {client: before.get(client, NEVER_SEEN) for client in {one.client for one in happened}}
        # A membership changes nothing of the client: it says what watchers were told last, so that a device's end that
        # nobody has published yet stays to be published.
        told = {
            one.client: as_told(rows_[one.client]) if one.list else as_seen(after.get(one.client, ()), now)
            for one in {one.client: one for one in happened}.values()
        }
        looked = {client: as_seen(devices, now) for client, devices in were.items() if client in rows_}
        draft = Draft()
        logged = []
        for sequence, one in enumerate(happened, last - len(happened) + 1):
            known = rows_[one.client]
            rows_[one.client] = draft.add(
                account_sid, one, sequence, known, told[one.client], now, looked=looked.pop(one.client, None)
            )
            logged.append(Logged(sequence=sequence, version=rows_[one.client].version))
        self.write(connection, draft)
        return logged

    def write(self, connection: Connection, draft: "Draft") -> None:
        """Stores a draft whose numbers have been taken from the accounts already."""
        if not draft.entries:
            return
        connection.execute(self._publish, list(draft.clients.values()))
        later(connection, _INSERT, draft.entries)
        connection.info.setdefault(_CHANGED, set()).update(account for account, _ in draft.clients)


class Draft:
    """Numbered changes of one transaction, to be written by a few statements for all of them."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []
        self.clients: dict[tuple[str, str], dict[str, Any]] = {}

    def add(
        self,
        account_sid: str,
        one: Happened,
        sequence: int,
        known: ClientRow,
        told: Told,
        now: float,
        *,
        looked: Told | None = None,
    ) -> ClientRow:
        """Notes a change of a client whose row is `known`, and of which watchers see `told` from now on; its row
        afterwards. `looked`: what somebody who looked just before has seen, which is more than watchers were told
        between a device's end and its publication."""
        status, available, capabilities, note = told
        after = ClientRow(known.version + 1, *known.chosen, status, available, capabilities, note)
        entry = {
            "account_sid": account_sid,
            "sequence": sequence,
            "client": one.client,
            "version": after.version,
            "endpoint_id": one.endpoint_id,
            "kind": one.kind.value,
            "at": now,
            "visible": bool(one.list) or told != as_told(known) or (looked is not None and told != looked),
            "list": one.list,
            **told._asdict(),
        }
        self.entries.append(entry)
        whose = {"account_sid": account_sid, "client": one.client, "updated_at": now}
        self.clients[account_sid, one.client] = {**whose, **after._asdict()}
        return after


def after_commits(database: Database, wake: Callable[[str], None]) -> None:
    """Calls `wake`, on the writer's thread, with each account that this process has logged a change of, once the
    commit is over; after a transaction that was rolled back too, which does no harm."""

    def returned(_connection: Any, record: Any) -> None:
        for account_sid in record.info.pop(_CHANGED, ()):
            wake(account_sid)

    event.listen(database.writer_engine, "checkin", returned)


def lock(connection: Connection, account_sid: str) -> None:
    """Takes the account's lock; Absent when there is no such account."""
    if connection.execute(LOCK, {"account": account_sid}).one_or_none() is None:
        raise Absent("There is no such account.")


def client_row(row: Any) -> ClientRow:
    """A row that has these columns, or none, as a value."""
    if row is None or row.version is None:
        return NEVER_SEEN
    return ClientRow(*(getattr(row, name) for name in ClientRow._fields))


def as_told(client: ClientRow) -> Told:
    """What watchers were told of the client last."""
    return Told(client.status, client.available, client.capabilities, client.note)


def as_seen(devices: Collection[Endpoint], now: float) -> Told:
    """What watchers see of these devices."""
    whole = consolidate(map(seen, devices), now, hidden=False) if devices else NOBODY
    return Told(whole.status, whole.available, ",".join(whole.capabilities), whole.note)

"""Many named clients as JSON, made of what was rendered before: of a roster that is on show nearly all is the same as
the last time but for the moments of the last heartbeats, which are all that is read again and rendered anew.

A client's version and moment of change say whether the rest is the same (PR-16): so what is kept is never wrong,
whoever changed the database. What a version says nothing of is compared itself: calls, and the nodes of sockets.
"""

import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import Select, and_, select

from foundation.db import Database
from presence.models import accounts, clients, endpoints
from presence.reading.rendering import endpoint_start, head_and_tail, moment, presence_text
from presence.reading.selecting import ACCOUNT, LIVE, array, given
from presence.reading.snapshots import NEVER_SEEN, Client, frozen, states

KEPT = 5_000
"""Clients whose texts are kept; beyond it, those kept longest go."""


class Manner(NamedTuple):
    """How clients are shown: with devices that opted out of being seen, for a capability, with devices at all."""

    hidden: bool = True
    capability: str | None = None
    detail: bool = True


Row = tuple[Any, ...]
"""A device as it is read: its client's name, version and moment of change, its id, when it was refreshed, when it ends,
until when it is on a call, and its node. Who has none has one row without an id."""


class _Moments(dict[int, str]):
    """Whole seconds as text."""

    def __missing__(self, seconds: int) -> str:
        text = self[seconds] = moment(seconds) or ""
        return text


@dataclass(kw_only=True)
class _Known:
    """A client's text but for moments, while none of its devices is on a call. `devices`: by their ids, their order
    (priority and rank), their node and their text."""

    version: int
    updated_at: float
    head: str
    tail: str
    devices: dict[str, tuple[tuple[int, int], str, str]]
    last: tuple[list[Row], str] = ((), "")  # type: ignore[assignment]

    def text(self, rows: list[Row], said: _Moments, detail: bool) -> str | None:
        """With these devices' moments; None when they are not what is known."""
        if rows == self.last[0]:
            return self.last[1]
        _, version, updated_at, *_ = rows[0]
        devices, lines, ends = self.devices, [], 0.0
        if (version, updated_at, len(rows)) != (self.version, self.updated_at, len(devices)):
            return None
        for _, _, _, endpoint_id, refreshed_at, expires_at, busy_until, node in rows:
            known = devices.get(endpoint_id)
            if known is None or known[1] != node or busy_until:
                return None
            if expires_at > ends:
                ends = expires_at
            moments = f'"last_seen":"{said[int(refreshed_at)]}","expires_at":"{said[int(expires_at)]}"'
            lines.append((known[0], -refreshed_at, endpoint_id, f"{known[2]},{moments}}}"))
        lines.sort()
        text = f'{self.head},"expires_at":"{said[int(ends)]}",{self.tail}'
        shown = f',"endpoints":[{",".join([line[3] for line in lines])}]' if detail else ""
        self.last = (rows, f"{text}{shown}}}")
        return self.last[1]


class Rosters:
    """Of one database; safe to use from many threads."""

    def __init__(self, database: Database) -> None:
        self._database, self._statement = database, _moments(database.sqlite)
        self._known: dict[tuple[str, str, Manner], _Known] = {}
        self._lock = threading.Lock()

    def named(
        self, account_sid: str, names: Collection[str], now: float, manner: Manner
    ) -> tuple[int, list[str]]:
        """These clients in their order, as of one sequence number (PR-34 to PR-36)."""
        sqlite = self._database.sqlite
        asked = {"account": account_sid, "names": array(names, sqlite), "now": now, "hidden": manner.hidden}
        with frozen(self._database) as connection:
            as_of = connection.execute(_HEAD, asked).scalar() or 0
            texts = self._remembered(account_sid, connection.execute(self._statement, asked).all(), manner)
            rest = [name for name in names if name not in texts]
            others = states(connection, account_sid, rest, now, hidden=manner.hidden).clients if rest else {}
        for name in rest:
            client = others.get(name, NEVER_SEEN)
            texts[name] = presence_text(
                account_sid, name, client, now, capability=manner.capability, detail=manner.detail
            )
            self._remember(account_sid, name, client, manner)
        return as_of, [texts[name] for name in names]

    def _remembered(self, account_sid: str, found: Sequence[Any], manner: Manner) -> dict[str, str]:
        texts: dict[str, str] = {}
        said = _Moments()
        for name, group in groupby(found, itemgetter(0)):
            known = self._known.get((account_sid, name, manner))
            if known is not None:
                text = known.text(list(map(tuple, group)), said, manner.detail)
                if text is not None:
                    texts[name] = text
        return texts

    def _remember(self, account_sid: str, name: str, client: Client, manner: Manner) -> None:
        """Unless its text depends on more than its devices' moments: on calls, or on which note comes first."""
        there = client.endpoints
        if client.updated_at is None or not there or any(one.busy_until for one in there):
            return
        if len(there) > 1 and any(one.note for one in there):
            return
        head, tail = head_and_tail(account_sid, name, client, manner.capability)
        devices = {
            one.endpoint_id: ((-one.priority, -one.rank), one.node, endpoint_start(one)) for one in there
        }
        known = _Known(
            version=client.version, updated_at=client.updated_at, head=head, tail=tail, devices=devices
        )
        with self._lock:
            self._known.pop((account_sid, name, manner), None)
            self._known[account_sid, name, manner] = known
            if len(self._known) > KEPT:
                del self._known[next(iter(self._known))]


_HEAD = select(accounts.c.sequence).where(accounts.c.account_sid == ACCOUNT)


def _moments(sqlite: bool) -> Select[Any]:
    asked = given(sqlite)
    named = and_(clients.c.account_sid == ACCOUNT, clients.c.client == asked.c.value)
    theirs = and_(endpoints.c.account_sid == ACCOUNT, endpoints.c.client == asked.c.value, LIVE)
    return (
        select(
            asked.c.value,
            clients.c.version,
            clients.c.updated_at,
            *(
                endpoints.c[name]
                for name in ("endpoint_id", "refreshed_at", "expires_at", "busy_until", "node")
            ),
        )
        .select_from(asked)
        .outerjoin(clients, named)  # an outer join keeps SQLite from beginning with the devices
        .outerjoin(endpoints, theirs)
    )

"""What changed since a sequence number, as one message: the last state of each client, and who left (PR-38)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, func, select

from foundation.db import Database
from presence.models import accounts, changes, contacts
from presence.reading.selecting import ACCOUNT
from presence.reading.snapshots import NEVER_SEEN, Client, frozen, states
from presence.reading.views import View
from presence.registration import Change

FARTHEST = 50_000
"""Changes that one message merges at most; it is less work to take a snapshot than to merge more."""

_LATER = (changes.c.account_sid == ACCOUNT) & (changes.c.sequence > bindparam("since"))
_HEAD = select(
    accounts.c.sequence,
    select(func.count())
    .select_from(select(1).where(_LATER).limit(FARTHEST + 1).subquery())
    .scalar_subquery(),
).where(accounts.c.account_sid == ACCOUNT)
_ANY = select(changes.c.client).where(_LATER, changes.c.client > bindparam("after")).distinct()
_ANY = _ANY.order_by(changes.c.client)
_VISIBLE = _ANY.where(changes.c.visible)
_LISTED: Any = bindparam("lists", expanding=True)
_MOVES = (
    select(changes.c.client, changes.c.list, changes.c.kind)
    .where(_LATER, changes.c.list.in_(_LISTED))
    .order_by(changes.c.sequence.desc())
)
_MEMBERS = select(contacts.c.client, contacts.c.list).where(
    contacts.c.account_sid == ACCOUNT,
    contacts.c.list.in_(_LISTED),
    contacts.c.client.in_(_ANY.order_by(None)),
)


class CursorGone(Exception):
    """The change log does not reach back to that sequence number, or not yet up to it; take a snapshot."""


@dataclass(frozen=True, kw_only=True)
class News:
    """Clients of a view that changed, as they are at `as_of`, and those that have left it. `rest`: more of them come
    behind this name."""

    as_of: int
    clients: dict[str, Client]
    removed: tuple[str, ...] = ()
    rest: str = ""


def news(
    database: Database,
    account_sid: str,
    view: View,
    since: int,
    now: float,
    *,
    after: str = "",
    limit: int,
) -> News:
    """What a viewer who was told all up to `since` does not know yet, in name order; five statements for any number.

    Without detail, only what changes the consolidated status counts (PR-44). CursorGone.
    """
    whose = {"account": account_sid, "since": since, "after": after, "lists": sorted(view.lists)}
    with frozen(database) as connection:
        as_of, kept = connection.execute(_HEAD, whose).one_or_none() or (0, 0)
        _demand(since, as_of, kept)
        moved = connection.execute(_ANY if view.detail else _VISIBLE, whose).scalars().all()
        now_on: dict[str, set[str]] = {}
        then_on: dict[str, set[str]] = {}
        if view.lists:
            for client, name in connection.execute(_MEMBERS, whose):
                now_on.setdefault(client, set()).add(name)
            then_on = before(now_on, connection.execute(_MOVES, whose).all())
        told = [
            (client, here)
            for client in moved
            if (here := view.holds(client, now_on.get(client, ())))
            or view.holds(client, then_on.get(client, ()))
        ]
        page = told[:limit]
        staying = [client for client, here in page if here]
        there = states(connection, account_sid, staying, now, hidden=view.hidden).clients
    return News(
        as_of=as_of,
        clients={client: there.get(client, NEVER_SEEN) for client in staying},
        removed=tuple(client for client, here in page if not here),
        rest=page[-1][0] if len(told) > limit else "",
    )


def before(memberships: dict[str, set[str]], moves: Sequence[Any]) -> dict[str, set[str]]:
    """Who was on which lists before these moves (client, list, kind), latest first, led to these memberships."""
    lists = {client: set(names) for client, names in memberships.items()}
    for client, name, kind in moves:
        on = lists.setdefault(client, set())
        on.discard(name) if kind == Change.LISTED else on.add(name)
    return lists


def _demand(since: int, as_of: int, kept: int) -> None:
    if since > as_of:
        raise CursorGone(f"since is {since}, but the last change is {as_of}")
    if as_of - since > FARTHEST:
        raise CursorGone(f"since {since} there were more than {FARTHEST} changes")
    if kept != as_of - since:
        raise CursorGone(f"the changes since {since} are not all kept any more")

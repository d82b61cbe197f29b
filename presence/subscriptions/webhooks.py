"""App servers that are told of changes by webhook, as resources in the database (PR-40).

Several processes share them: each webhook is carried by the one that holds its lease, and another takes it when that
lease ends. `cursor` moves only when the app server has acknowledged, so nothing is lost with a process.
"""

import json
from collections.abc import Collection, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, bindparam, delete, func, insert, or_, select, update

from foundation.db import Database
from foundation.sids import SUBSCRIPTION, new_sid
from presence.changes import lock
from presence.faults import Absent, Limited
from presence.models import subscriptions

MOST = 100  # webhooks of one account
LEASE = 30.0  # seconds for which a process has a webhook to itself
FIRST, LONGEST = 1.0, 900.0  # seconds between tries, doubling
PATIENCE = 86_400.0  # seconds of failures after which it is switched off
ERROR_LIMIT = 256


@dataclass(frozen=True, kw_only=True)
class Webhook:
    """One subscription; `view` says whom it follows, as in the request that made it. Moments in Unix seconds."""

    account_sid: str
    sid: str
    url: str
    view: Mapping[str, Any]
    detail: bool
    active: bool
    cursor: int
    snapshot: bool
    attempts: int
    due_at: float
    last_error: str
    created_at: float
    updated_at: float


_COLUMNS = tuple(subscriptions.c[name] for name in Webhook.__dataclass_fields__)
_THIS = and_(
    subscriptions.c.account_sid == bindparam("account"), subscriptions.c.sid == bindparam("subscription")
)


def pause(failures: int, jitter: float) -> float | None:
    """Seconds until the next try after so many failures in a row; None when that was enough. `jitter` from 0 to 1
    makes it up to a fifth shorter or longer."""
    if sum(min(LONGEST, FIRST * 2**n) for n in range(failures - 1)) >= PATIENCE:
        return None
    return float(min(LONGEST, FIRST * 2 ** (failures - 1)) * (0.8 + 0.4 * jitter))


class Webhooks:
    """The subscriptions of accounts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # For their owners

    def all(self, account_sid: str) -> list[Webhook]:
        """Oldest first."""
        mine = select(*_COLUMNS).where(subscriptions.c.account_sid == account_sid)
        with self._database.read() as connection:
            rows = connection.execute(mine.order_by(subscriptions.c.created_at, subscriptions.c.sid)).all()
        return [_webhook(row) for row in rows]

    def find(self, account_sid: str, sid: str) -> Webhook:
        """Absent."""
        with self._database.read() as connection:
            row = connection.execute(select(*_COLUMNS).where(_THIS), _key(account_sid, sid)).one_or_none()
        if row is None:
            raise _absent(sid)
        return _webhook(row)

    def create(
        self, account_sid: str, url: str, view: Mapping[str, Any], detail: bool, now: float
    ) -> "Future[Webhook]":
        """It hears of everything first. Limited; Absent without the account."""
        webhook = Webhook(
            account_sid=account_sid,
            sid=new_sid(SUBSCRIPTION),
            url=url,
            view=view,
            detail=detail,
            active=True,
            cursor=0,
            snapshot=True,
            attempts=0,
            due_at=now,
            last_error="",
            created_at=now,
            updated_at=now,
        )
        row = {**vars(webhook), "view": json.dumps(dict(view)), "node": "", "lease_until": 0.0}
        mine = select(func.count()).where(subscriptions.c.account_sid == account_sid)

        def work(connection: Connection) -> Webhook:
            lock(connection, account_sid)
            if connection.execute(mine).scalar_one() >= MOST:
                raise Limited(f"An account has at most {MOST} subscriptions; delete one first.")
            connection.execute(insert(subscriptions), row)
            return webhook

        return self._database.write(work, account_sid)

    def change(
        self, account_sid: str, sid: str, now: float, *, url: str | None = None, active: bool | None = None
    ) -> "Future[None]":
        """Another address, or on and off; switched on, it is tried at once. Absent."""
        given: dict[str, Any] = {"updated_at": now, "due_at": now, "attempts": 0, "last_error": ""}
        given |= {} if url is None else {"url": url}
        given |= {} if active is None else {"active": active}

        def work(connection: Connection) -> None:
            changed = update(subscriptions).where(_THIS).values(given)
            if connection.execute(changed, _key(account_sid, sid)).rowcount == 0:
                raise _absent(sid)

        return self._database.write(work, account_sid)

    def delete(self, account_sid: str, sid: str) -> "Future[None]":
        """Absent."""

        def work(connection: Connection) -> None:
            if connection.execute(delete(subscriptions).where(_THIS), _key(account_sid, sid)).rowcount == 0:
                raise _absent(sid)

        return self._database.write(work, account_sid)

    # For who carries them

    def mine_and_free(self, node: str, now: float, most: int) -> tuple[list[Webhook], list[Webhook]]:
        """Active webhooks whose lease the node has, and some that nobody has. Reads only."""
        mine, free = subscriptions.c.node == node, subscriptions.c.lease_until <= now
        wanted = select(*_COLUMNS, mine & (subscriptions.c.lease_until > now)).where(
            subscriptions.c.active, or_(mine, free)
        )
        with self._database.read() as connection:
            rows = connection.execute(wanted).all()
        held = [_webhook(row[:-1]) for row in rows if row[-1]]
        return held, [_webhook(row[:-1]) for row in rows if not row[-1]][: max(0, most - len(held))]

    def lease(self, node: str, which: Collection[Webhook], now: float) -> "Future[list[Webhook]]":
        """Takes these, or extends their leases; answers with those that the node has now."""
        taken = (
            update(subscriptions)
            .where(_THIS, or_(subscriptions.c.node == node, subscriptions.c.lease_until <= now))
            .values(node=node, lease_until=now + LEASE)
        )
        ordered = sorted(which, key=lambda one: (one.account_sid, one.sid))

        def work(connection: Connection) -> list[Webhook]:
            return [
                one
                for one in ordered
                if connection.execute(taken, _key(one.account_sid, one.sid)).rowcount == 1
            ]

        return self._database.write(work)

    def release(self, node: str) -> "Future[None]":
        """The node stops: others may go on at once."""

        def work(connection: Connection) -> None:
            mine = update(subscriptions).where(subscriptions.c.node == node)
            connection.execute(mine.values(lease_until=0.0))

        return self._database.write(work)

    def delivered(self, webhook: Webhook, node: str, cursor: int) -> "Future[bool]":
        """The app server has everything up to this number. False when the webhook is another's by now."""
        return self._set(
            webhook, node, {"cursor": cursor, "snapshot": False, "attempts": 0, "last_error": ""}
        )

    def failed(
        self, webhook: Webhook, node: str, attempts: int, error: str, due_at: float | None
    ) -> "Future[bool]":
        """A try failed; the next is at `due_at`, None switches it off."""
        given: dict[str, Any] = {"attempts": attempts, "last_error": error[:ERROR_LIMIT]}
        given |= {"active": False} if due_at is None else {"due_at": due_at}
        return self._set(webhook, node, given)

    def _set(self, webhook: Webhook, node: str, given: Mapping[str, Any]) -> "Future[bool]":
        mine = update(subscriptions).where(_THIS, subscriptions.c.node == node, subscriptions.c.active)

        def work(connection: Connection) -> bool:
            changed = connection.execute(mine.values(given), _key(webhook.account_sid, webhook.sid))
            return changed.rowcount == 1

        return self._database.write(work, webhook.account_sid)


def _key(account_sid: str, sid: str) -> dict[str, str]:
    return {"account": account_sid, "subscription": sid}


def _webhook(row: Any) -> Webhook:
    fields = dict(zip(Webhook.__dataclass_fields__, row, strict=True))
    return Webhook(**{**fields, "view": json.loads(fields["view"])})


def _absent(sid: str) -> Absent:
    return Absent(f"There is no subscription {sid}.")

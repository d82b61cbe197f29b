"""Tells the presence server, through the outbox, that an account or a key is not what it was.

The entry names who changed; the dispatcher reads how things stand when it sends. So entries may be sent twice
or be overtaken without harm, and their ids can be made from what they say.
"""

from sqlalchemy import Connection, func, insert, select

from callrouter.models import Outbox


def account_changed(connection: Connection, account_sid: str, version: int, now: float) -> None:
    payload = {"account_sid": account_sid}
    _announce(connection, "presence.account", f"account:{account_sid}:{version}", payload, now)


def key_created(connection: Connection, account_sid: str, sid: str, now: float) -> None:
    payload = {"account_sid": account_sid, "sid": sid}
    _announce(connection, "presence.key", f"key:{sid}", payload, now)


def key_deleted(connection: Connection, account_sid: str, sid: str, now: float) -> None:
    payload = {"account_sid": account_sid, "sid": sid}
    _announce(connection, "presence.key-deleted", f"key-deleted:{sid}", payload, now)


def _announce(connection: Connection, kind: str, id: str, payload: dict[str, str], now: float) -> None:
    account_sid, lane = payload["account_sid"], f"presence:{payload['account_sid']}"
    waiting = (Outbox.account_sid == account_sid, Outbox.call_sid == "", Outbox.lane == lane)
    last = select(func.coalesce(func.max(Outbox.position), 0)).where(*waiting).scalar_subquery()
    connection.execute(
        insert(Outbox).values(
            id=id,
            account_sid=account_sid,
            call_sid="",
            lane=lane,
            position=last + 1,
            kind=kind,
            payload=payload,
            due_at=now,
            owner="",
            created_at=now,
        )
    )

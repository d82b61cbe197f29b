"""API keys: they authenticate requests, and their secrets sign access tokens (twilio-surface 5.9)."""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Select, delete, insert, select, update

from callrouter import models
from callrouter.directory import announcements
from callrouter.directory.credentials import Credential
from callrouter.directory.errors import Missing
from callrouter.directory.rows import value
from callrouter.directory.webhooks import friendly_name as checked_name


@dataclass(frozen=True, kw_only=True)
class Key:
    """An API key. A main key may manage accounts and keys; a standard one may not. Times are Unix seconds."""

    account_sid: str
    sid: str
    friendly_name: str
    main: bool
    secret_sealed: str = field(repr=False)
    secret_hash: str = field(repr=False)
    date_created: float
    date_updated: float


def listed(account_sid: str) -> Select[Any]:
    return select(models.ApiKey.__table__).where(models.ApiKey.account_sid == account_sid)


def find(connection: Connection, sid: str) -> Key | None:
    """The key of any account: for authentication only."""
    query = select(models.ApiKey.__table__).where(models.ApiKey.sid == sid)
    row = connection.execute(query).one_or_none()
    return None if row is None else value(Key, row)


def fetch(connection: Connection, account_sid: str, sid: str) -> Key:
    """The account's key; Missing when it has none of that SID."""
    row = connection.execute(listed(account_sid).where(models.ApiKey.sid == sid)).one_or_none()
    if row is None:
        raise Missing(f"API key {sid}")
    return value(Key, row)


def create(
    connection: Connection,
    *,
    account_sid: str,
    sid: str,
    credential: Credential,
    now: float,
    friendly_name: str = "",
    main: bool = False,
) -> Key:
    connection.execute(
        insert(models.ApiKey).values(
            account_sid=account_sid,
            sid=sid,
            friendly_name=checked_name(friendly_name),
            main=main,
            secret_sealed=credential.sealed,
            secret_hash=credential.hash,
            date_created=now,
            date_updated=now,
        )
    )
    announcements.key_created(connection, account_sid, sid, now)
    return fetch(connection, account_sid, sid)


def rename(connection: Connection, account_sid: str, sid: str, friendly_name: str, now: float) -> Key:
    """The presence server is not told: it knows keys by their secrets only."""
    fetch(connection, account_sid, sid)
    connection.execute(
        update(models.ApiKey)
        .where(models.ApiKey.account_sid == account_sid, models.ApiKey.sid == sid)
        .values(friendly_name=checked_name(friendly_name), date_updated=now)
    )
    return fetch(connection, account_sid, sid)


def remove(connection: Connection, account_sid: str, sid: str, now: float) -> None:
    """Deletes it; registrations made with it end."""
    fetch(connection, account_sid, sid)
    connection.execute(
        delete(models.ApiKey).where(models.ApiKey.account_sid == account_sid, models.ApiKey.sid == sid)
    )
    announcements.key_deleted(connection, account_sid, sid, now)

"""Messaging services: senders that an account uses as one (https://www.twilio.com/docs/messaging/api/service-resource)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, delete, insert, select, update

from callrouter import models
from callrouter.directory import sender_pools
from callrouter.directory.errors import Missing
from callrouter.directory.rows import value
from callrouter.directory.webhooks import checked

ROWS = models.MessagingService.__table__


@dataclass(frozen=True, kw_only=True)
class Service:
    """Empty URLs are unset. `validity_period` and times are in seconds."""

    account_sid: str
    sid: str
    friendly_name: str
    inbound_request_url: str
    inbound_method: str
    fallback_url: str
    fallback_method: str
    status_callback: str
    sticky_sender: bool
    mms_converter: bool
    smart_encoding: bool
    scan_message_content: str
    area_code_geomatch: bool
    validity_period: int
    synchronous_validation: bool
    usecase: str
    use_inbound_webhook_on_number: bool
    date_created: float
    date_updated: float


def listed(account_sid: str) -> Select[Any]:
    return select(ROWS).where(ROWS.c.account_sid == account_sid)


def find(connection: Connection, account_sid: str, sid: str) -> Service | None:
    row = connection.execute(listed(account_sid).where(ROWS.c.sid == sid)).one_or_none()
    return None if row is None else value(Service, row)


def fetch(connection: Connection, account_sid: str, sid: str) -> Service:
    """The account's service; Missing when it has none of that SID."""
    found = find(connection, account_sid, sid)
    if found is None:
        raise Missing(f"Messaging service {sid}")
    return found


def create(
    connection: Connection, *, account_sid: str, sid: str, settings: Mapping[str, Any], now: float
) -> Service:
    """`settings`: any of the columns that a customer sets, and always a `friendly_name`."""
    row = {"account_sid": account_sid, "sid": sid, **checked(settings)}
    connection.execute(insert(models.MessagingService).values(**row, date_created=now, date_updated=now))
    return fetch(connection, account_sid, sid)


def change(
    connection: Connection, account_sid: str, sid: str, settings: Mapping[str, Any], now: float
) -> Service:
    fetch(connection, account_sid, sid)
    mine = update(models.MessagingService).where(ROWS.c.account_sid == account_sid, ROWS.c.sid == sid)
    connection.execute(mine.values(**checked(settings), date_updated=now))
    return fetch(connection, account_sid, sid)


def remove(connection: Connection, account_sid: str, sid: str) -> None:
    """Its senders leave it and stay the account's, each for itself."""
    fetch(connection, account_sid, sid)
    sender = models.MessagingSender
    pool = select(sender.sender_sid).where(sender.account_sid == account_sid, sender.service_sid == sid)
    for sender_sid in connection.execute(pool).scalars().all():
        sender_pools.leave(connection, account_sid, sender_sid)
    mine = (ROWS.c.account_sid == account_sid, ROWS.c.sid == sid)
    connection.execute(delete(models.MessagingService).where(*mine))

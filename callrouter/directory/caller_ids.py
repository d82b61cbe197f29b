"""Verified caller ids: numbers that an account may show although it does not own them (twilio-surface 5.9)."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, delete, insert, select, update

from callrouter import models
from callrouter.directory.e164 import e164, national
from callrouter.directory.errors import Missing, Refused
from callrouter.directory.rows import value
from callrouter.directory.webhooks import friendly_name as checked_name

VALIDATED_ALREADY = 21450


@dataclass(frozen=True, kw_only=True)
class CallerId:
    """Times are Unix seconds."""

    account_sid: str
    sid: str
    phone_number: str
    friendly_name: str
    date_created: float
    date_updated: float


def listed(
    account_sid: str, *, friendly_name: str | None = None, phone_number: str | None = None
) -> Select[Any]:
    table = models.OutgoingCallerId
    query = select(table.__table__).where(table.account_sid == account_sid)
    if friendly_name is not None:
        query = query.where(table.friendly_name == friendly_name)
    return query if phone_number is None else query.where(table.phone_number == phone_number)


def fetch(connection: Connection, account_sid: str, sid: str) -> CallerId:
    """The account's caller id; Missing when it has none of that SID."""
    row = connection.execute(listed(account_sid).where(models.OutgoingCallerId.sid == sid)).one_or_none()
    if row is None:
        raise Missing(f"Outgoing caller id {sid}")
    return value(CallerId, row)


def is_verified(connection: Connection, account_sid: str, phone_number: str) -> bool:
    return connection.execute(listed(account_sid, phone_number=phone_number)).first() is not None


def create(
    connection: Connection,
    *,
    account_sid: str,
    sid: str,
    phone_number: str,
    now: float,
    friendly_name: str | None = None,
) -> CallerId:
    """Whoever calls this vouches that the number is the account's. 21421: no number. 21450: it is there."""
    number = e164(phone_number)
    if is_verified(connection, account_sid, number):
        raise Refused(VALIDATED_ALREADY, f"{number} is verified for this account already")
    connection.execute(
        insert(models.OutgoingCallerId).values(
            account_sid=account_sid,
            sid=sid,
            phone_number=number,
            friendly_name=checked_name(national(number) if friendly_name is None else friendly_name),
            date_created=now,
            date_updated=now,
        )
    )
    return fetch(connection, account_sid, sid)


def rename(connection: Connection, account_sid: str, sid: str, friendly_name: str, now: float) -> CallerId:
    fetch(connection, account_sid, sid)
    connection.execute(
        update(models.OutgoingCallerId)
        .where(models.OutgoingCallerId.account_sid == account_sid, models.OutgoingCallerId.sid == sid)
        .values(friendly_name=checked_name(friendly_name), date_updated=now)
    )
    return fetch(connection, account_sid, sid)


def remove(connection: Connection, account_sid: str, sid: str) -> None:
    """Calls may no longer show it."""
    fetch(connection, account_sid, sid)
    connection.execute(
        delete(models.OutgoingCallerId).where(
            models.OutgoingCallerId.account_sid == account_sid, models.OutgoingCallerId.sid == sid
        )
    )

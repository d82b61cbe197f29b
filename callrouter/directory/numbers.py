"""Phone numbers: which account has one, and what is asked when something arrives (twilio-surface 5.9).

The operator owns the numbers; an account takes one that no account has.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, delete, insert, select, update

from callrouter import models
from callrouter.directory import accounts, applications, carriers, pool, sender_pools
from callrouter.directory.e164 import e164, national
from callrouter.directory.errors import Missing, Refused
from callrouter.directory.rows import value
from callrouter.directory.webhooks import checked

UNAVAILABLE = 21422
INVALID_APPLICATION = 21420


@dataclass(frozen=True, kw_only=True)
class Number:
    """Empty URLs and SIDs are unset; an empty carrier is the deployment's default. Times are Unix seconds."""

    account_sid: str
    sid: str
    phone_number: str
    friendly_name: str
    voice_url: str
    voice_method: str
    voice_fallback_url: str
    voice_fallback_method: str
    voice_caller_id_lookup: bool
    voice_application_sid: str
    status_callback: str
    status_callback_method: str
    sms_url: str
    sms_method: str
    sms_fallback_url: str
    sms_fallback_method: str
    sms_application_sid: str
    carrier: str
    date_created: float
    date_updated: float


def listed(
    account_sid: str, *, friendly_name: str | None = None, phone_number: str | None = None
) -> Select[Any]:
    """`phone_number` may be any part of it, with `*` for one digit. 21421: it has other characters."""
    table = models.PhoneNumber
    query = select(table.__table__).where(table.account_sid == account_sid)
    if friendly_name is not None:
        query = query.where(table.friendly_name == friendly_name)
    if phone_number:
        if not re.fullmatch(r"\+?[0-9*]+", phone_number, re.ASCII):
            raise Refused(21421, f"{phone_number!r} is no part of a phone number")
        query = query.where(table.phone_number.like(f"%{phone_number.replace('*', '_')}%"))
    return query


def fetch(connection: Connection, account_sid: str, sid: str) -> Number:
    """The account's number; Missing when it has none of that SID."""
    row = connection.execute(listed(account_sid).where(models.PhoneNumber.sid == sid)).one_or_none()
    if row is None:
        raise Missing(f"Phone number {sid}")
    return value(Number, row)


def create(
    connection: Connection,
    *,
    account_sid: str,
    sid: str,
    phone_number: str,
    settings: Mapping[str, Any],
    now: float,
) -> Number:
    """`settings`: any of the columns that a customer sets. 21421: no number. 21422: an account has it."""
    number = e164(phone_number)
    taken = select(models.PhoneNumber.sid).where(models.PhoneNumber.phone_number == number)
    if connection.execute(taken).first() is not None:
        raise Refused(UNAVAILABLE, f"{number} is not available: an account has it already")
    offered = {"carrier": pool.carrier_of(connection, number)}
    row = {"friendly_name": national(number), **offered, **_checked(connection, account_sid, settings)}
    connection.execute(
        insert(models.PhoneNumber).values(
            account_sid=account_sid, sid=sid, phone_number=number, date_created=now, date_updated=now, **row
        )
    )
    return fetch(connection, account_sid, sid)


def change(
    connection: Connection, account_sid: str, sid: str, settings: Mapping[str, Any], now: float
) -> Number:
    """Sets columns; with `account_sid` among them the number moves to that account of the same owner."""
    fetch(connection, account_sid, sid)
    home = settings.get("account_sid", account_sid)
    if home != account_sid:
        _check_transfer(connection, account_sid, home)
    row = {**_checked(connection, home, settings), "account_sid": home, "date_updated": now}
    if home != account_sid:  # an application stays where it is, and so does a messaging service
        row = {"voice_application_sid": "", "sms_application_sid": "", **row}
        sender_pools.leave(connection, account_sid, sid)
    connection.execute(
        update(models.PhoneNumber)
        .where(models.PhoneNumber.account_sid == account_sid, models.PhoneNumber.sid == sid)
        .values(**row)
    )
    return fetch(connection, home, sid)


def remove(connection: Connection, account_sid: str, sid: str) -> None:
    """Gives it back: any account may take it then."""
    fetch(connection, account_sid, sid)
    sender_pools.leave(connection, account_sid, sid)
    connection.execute(
        delete(models.PhoneNumber).where(
            models.PhoneNumber.account_sid == account_sid, models.PhoneNumber.sid == sid
        )
    )


def _checked(connection: Connection, account_sid: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    row = checked(settings)
    for name in ("voice_application_sid", "sms_application_sid"):
        sid = row.get(name)
        if sid and not applications.exists(connection, account_sid, sid):
            raise Refused(INVALID_APPLICATION, f"{name} {sid} is no application of this account")
    if row.get("carrier"):
        carriers.fetch(connection, row["carrier"])
    return row


def _check_transfer(connection: Connection, source: str, target: str) -> None:
    here, there = accounts.fetch(connection, source), accounts.find(connection, target)
    if there is None or there.owner_account_sid != here.owner_account_sid:
        raise Missing(f"Account {target}")
    if not there.active:
        raise Refused(20005, f"Account {target} is not active", 403)

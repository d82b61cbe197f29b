"""Short codes: senders of 3 to 6 digits that the operator gives to accounts; messages only.

https://www.twilio.com/docs/messaging/api/short-code-resource
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, delete, insert, select, update

from callrouter import models
from callrouter.directory import carriers, sender_pools
from callrouter.directory.errors import Missing, Refused
from callrouter.directory.rows import value
from callrouter.directory.webhooks import checked

SHORT_CODE = re.compile(r"[1-9][0-9]{2,5}", re.ASCII)
INVALID, UNAVAILABLE = 21421, 21422
ROWS = models.ShortCode.__table__


@dataclass(frozen=True, kw_only=True)
class ShortCode:
    """Empty URLs are unset; an empty carrier is the deployment's default. Times are Unix seconds."""

    account_sid: str
    sid: str
    short_code: str
    friendly_name: str
    sms_url: str
    sms_method: str
    sms_fallback_url: str
    sms_fallback_method: str
    carrier: str
    date_created: float
    date_updated: float


def listed(
    account_sid: str, *, friendly_name: str | None = None, short_code: str | None = None
) -> Select[Any]:
    query = select(ROWS).where(ROWS.c.account_sid == account_sid)
    if friendly_name is not None:
        query = query.where(ROWS.c.friendly_name == friendly_name)
    return query if short_code is None else query.where(ROWS.c.short_code == short_code)


def fetch(connection: Connection, account_sid: str, sid: str) -> ShortCode:
    """The account's short code; Missing when it has none of that SID."""
    row = connection.execute(listed(account_sid).where(ROWS.c.sid == sid)).one_or_none()
    if row is None:
        raise Missing(f"Short code {sid}")
    return value(ShortCode, row)


def create(
    connection: Connection,
    *,
    account_sid: str,
    sid: str,
    short_code: str,
    settings: Mapping[str, Any],
    now: float,
) -> ShortCode:
    """`settings`: any of the other columns. 21421: no short code. 21422: an account has it."""
    if not SHORT_CODE.fullmatch(short_code):
        raise Refused(INVALID, f"{short_code!r} is no short code: 3 to 6 digits, the first not 0")
    if connection.execute(select(ROWS.c.sid).where(ROWS.c.short_code == short_code)).first() is not None:
        raise Refused(UNAVAILABLE, f"{short_code} is not available: an account has it already")
    row = {"friendly_name": short_code, **_checked(connection, settings)}
    made = {"account_sid": account_sid, "sid": sid, "short_code": short_code, **row}
    connection.execute(insert(models.ShortCode).values(**made, date_created=now, date_updated=now))
    return fetch(connection, account_sid, sid)


def change(
    connection: Connection, account_sid: str, sid: str, settings: Mapping[str, Any], now: float
) -> ShortCode:
    fetch(connection, account_sid, sid)
    mine = update(models.ShortCode).where(ROWS.c.account_sid == account_sid, ROWS.c.sid == sid)
    connection.execute(mine.values(**_checked(connection, settings), date_updated=now))
    return fetch(connection, account_sid, sid)


def remove(connection: Connection, account_sid: str, sid: str) -> None:
    """Takes it from the account, and out of the messaging service that it was in."""
    fetch(connection, account_sid, sid)
    sender_pools.leave(connection, account_sid, sid)
    connection.execute(delete(models.ShortCode).where(ROWS.c.account_sid == account_sid, ROWS.c.sid == sid))


def _checked(connection: Connection, settings: Mapping[str, Any]) -> dict[str, Any]:
    row = checked(settings)
    if row.get("carrier"):
        carriers.fetch(connection, row["carrier"])
    return row

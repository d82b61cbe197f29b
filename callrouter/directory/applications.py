"""TwiML applications: webhooks under one name (twilio-surface 5.9)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, delete, func, insert, select, update

from callrouter import models
from callrouter.directory.errors import Missing, Refused
from callrouter.directory.rows import value
from callrouter.directory.webhooks import checked

LIMIT = 1000


@dataclass(frozen=True, kw_only=True)
class Application:
    """Empty URLs are unset. Times are Unix seconds."""

    account_sid: str
    sid: str
    friendly_name: str
    voice_url: str
    voice_method: str
    voice_fallback_url: str
    voice_fallback_method: str
    voice_caller_id_lookup: bool
    status_callback: str
    status_callback_method: str
    sms_url: str
    sms_method: str
    sms_fallback_url: str
    sms_fallback_method: str
    sms_status_callback: str
    message_status_callback: str
    public_application_connect_enabled: bool
    date_created: float
    date_updated: float


def listed(account_sid: str, *, friendly_name: str | None = None) -> Select[Any]:
    query = select(models.Application.__table__).where(models.Application.account_sid == account_sid)
    return query if friendly_name is None else query.where(models.Application.friendly_name == friendly_name)


def fetch(connection: Connection, account_sid: str, sid: str) -> Application:
    """The account's application; Missing when it has none of that SID."""
    row = connection.execute(listed(account_sid).where(models.Application.sid == sid)).one_or_none()
    if row is None:
        raise Missing(f"Application {sid}")
    return value(Application, row)


def exists(connection: Connection, account_sid: str, sid: str) -> bool:
    return connection.execute(listed(account_sid).where(models.Application.sid == sid)).first() is not None


def create(
    connection: Connection, *, account_sid: str, sid: str, settings: Mapping[str, Any], now: float
) -> Application:
    """`settings`: any of the columns that a customer sets. 21301: the account has too many applications."""
    count = select(func.count()).where(models.Application.account_sid == account_sid)
    if connection.execute(count).scalar_one() >= LIMIT:
        raise Refused(21301, f"An account has at most {LIMIT} applications")
    row = {"friendly_name": "", **checked(settings)}
    connection.execute(
        insert(models.Application).values(
            account_sid=account_sid, sid=sid, date_created=now, date_updated=now, **row
        )
    )
    return fetch(connection, account_sid, sid)


def change(
    connection: Connection, account_sid: str, sid: str, settings: Mapping[str, Any], now: float
) -> Application:
    fetch(connection, account_sid, sid)
    connection.execute(
        update(models.Application)
        .where(models.Application.account_sid == account_sid, models.Application.sid == sid)
        .values(**checked(settings), date_updated=now)
    )
    return fetch(connection, account_sid, sid)


def remove(connection: Connection, account_sid: str, sid: str) -> None:
    fetch(connection, account_sid, sid)
    connection.execute(
        delete(models.Application).where(
            models.Application.account_sid == account_sid, models.Application.sid == sid
        )
    )

"""Cookies of apps that answer messages: one jar for each phone and number of ours, for four hours.

https://www.twilio.com/docs/messaging/twiml#twilio-cookies
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from callrouter.models import MessageCookies

SECONDS = 4 * 3600.0
COOKIES = MessageCookies.__table__.c


def _upsert(module: Any) -> Any:
    """Two routers may keep those of one phone in the same moment: the later one stays."""
    row = module.insert(MessageCookies)
    return row.on_conflict_do_update(
        index_elements=["account_sid", "number", "phone"],
        set_={"cookies": row.excluded.cookies, "until": row.excluded.until},
    )


_KEEP = {"sqlite": _upsert(sqlite), "postgresql": _upsert(postgresql)}


def kept(connection: Connection, message: Any, now: float) -> list[Any]:
    """What the app gave this phone and number (the message's From and To) within the time."""
    query = select(COOKIES.cookies).where(*_jar(message), COOKIES.until > now)
    return list(connection.execute(query).scalar() or [])


def keep(connection: Connection, message: Any, cookies: Sequence[Any], now: float) -> None:
    row = {
        "account_sid": message.account_sid,
        "number": message.to,
        "phone": message._mapping["from"],
        "cookies": [dict(cookie) for cookie in cookies],
        "until": now + SECONDS,
    }
    connection.execute(_KEEP[connection.dialect.name], [row])


def forget(connection: Connection, now: float) -> None:
    """Throws away those whose time is over."""
    connection.execute(delete(MessageCookies).where(COOKIES.until <= now))


def _jar(message: Any) -> tuple[Any, ...]:
    return (
        COOKIES.account_sid == message.account_sid,
        COOKIES.number == message.to,
        COOKIES.phone == message._mapping["from"],
    )

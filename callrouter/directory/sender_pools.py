"""The senders of messaging services: phone numbers, short codes and names, each in one service at most.

https://www.twilio.com/docs/messaging/api/phonenumber-resource
"""

import re
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, delete, func, insert, literal, select

from callrouter import models
from callrouter.directory.errors import Missing, Refused
from callrouter.directory.rows import value
from foundation.sids import ALPHA_SENDER, PHONE_NUMBER, SHORT_CODE

LARGEST = 400
NOT_OURS, ELSEWHERE, FULL, INVALID_NAME = 21711, 21712, 21714, 20001
NAME = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9 +_&-]{1,11}", re.ASCII)
"""An alphanumeric sender: up to eleven characters, one letter among them."""
ROWS = models.MessagingSender.__table__
_OWNED: dict[str, Any] = {
    PHONE_NUMBER: (models.PhoneNumber, models.PhoneNumber.phone_number),
    SHORT_CODE: (models.ShortCode, models.ShortCode.short_code),
}


@dataclass(frozen=True, kw_only=True)
class Sender:
    """Times are Unix seconds."""

    account_sid: str
    service_sid: str
    sender_sid: str
    sender: str
    date_created: float
    date_updated: float


def listed(account_sid: str, service_sid: str, kind: str = "") -> Select[Any]:
    """`kind`: what the sender's SID begins with."""
    mine = (ROWS.c.account_sid == account_sid, ROWS.c.service_sid == service_sid)
    return select(ROWS).where(*mine, ROWS.c.sender_sid.startswith(kind, autoescape=True))


def fetch(connection: Connection, account_sid: str, service_sid: str, sender_sid: str) -> Sender:
    """Missing: the service has no such sender."""
    query = listed(account_sid, service_sid).where(ROWS.c.sender_sid == sender_sid)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise Missing(f"Sender {sender_sid}")
    return value(Sender, row)


def add(
    connection: Connection, account_sid: str, service_sid: str, sender_sid: str, now: float
) -> tuple[Sender, bool]:
    """A number (PN…) or a short code (SC…) of the account; False with one that was in the service already.

    21711: the account has no such sender. 21712: it is in another service. 21714: the service is full.
    """
    _demand_service(connection, account_sid, service_sid)
    table, column = _OWNED[sender_sid[:2]]
    owned = select(column).where(table.account_sid == account_sid, table.sid == sender_sid)
    sender = connection.execute(owned).scalar()
    if sender is None:
        raise Refused(NOT_OURS, f"{sender_sid} is no sender of this account")
    where = select(ROWS.c.service_sid).where(
        ROWS.c.account_sid == account_sid, ROWS.c.sender_sid == sender_sid
    )
    there = connection.execute(where).scalar()
    if there == service_sid:
        return fetch(connection, account_sid, service_sid, sender_sid), False
    if there is not None:
        raise Refused(ELSEWHERE, f"{sender} is in messaging service {there} already", 409)
    return _stored(connection, account_sid, service_sid, sender_sid, sender, now), True


def add_name(
    connection: Connection, account_sid: str, service_sid: str, sender_sid: str, name: str, now: float
) -> tuple[Sender, bool]:
    """An alphanumeric sender, under the SID (AI…) that is given unless the service has the name already."""
    _demand_service(connection, account_sid, service_sid)
    if not NAME.fullmatch(name):
        raise Refused(INVALID_NAME, f"{name!r} is no sender's name: 1 to 11 of A-Z, a-z, 0-9, space, - + _ &")
    same = listed(account_sid, service_sid, ALPHA_SENDER).where(ROWS.c.sender == name)
    row = connection.execute(same).one_or_none()
    if row is not None:
        return value(Sender, row), False
    return _stored(connection, account_sid, service_sid, sender_sid, name, now), True


def remove(connection: Connection, account_sid: str, service_sid: str, sender_sid: str) -> None:
    """The service sends from it no longer, and forgets whom it kept it for."""
    fetch(connection, account_sid, service_sid, sender_sid)
    leave(connection, account_sid, sender_sid)


def leave(connection: Connection, account_sid: str, sender_sid: str) -> None:
    """Takes the sender out of the service that it is in, if any. Who told the service STOP has told the sender."""
    mine = (ROWS.c.account_sid == account_sid, ROWS.c.sender_sid == sender_sid)
    row = connection.execute(select(ROWS).where(*mine)).one_or_none()
    if row is None:
        return
    sticky = models.StickySender
    kept = (sticky.account_sid == account_sid, sticky.service_sid == row.service_sid)
    connection.execute(delete(sticky).where(*kept, sticky.sender == row.sender))
    connection.execute(delete(models.MessagingSender).where(*mine))
    out = models.OptOut
    own = select(out.phone).where(out.account_sid == account_sid, out.sender == row.sender)
    columns = (out.account_sid, literal(row.sender), out.phone, out.date_created)
    told = select(*columns).where(out.account_sid == account_sid, out.sender == row.service_sid)
    names = ("account_sid", "sender", "phone", "date_created")
    connection.execute(insert(out).from_select(names, told.where(out.phone.not_in(own))))


def _demand_service(connection: Connection, account_sid: str, service_sid: str) -> None:
    service = models.MessagingService
    query = select(service.sid).where(service.account_sid == account_sid, service.sid == service_sid)
    if connection.execute(query).first() is None:
        raise Missing(f"Messaging service {service_sid}")


def _stored(
    connection: Connection, account_sid: str, service_sid: str, sender_sid: str, sender: str, now: float
) -> Sender:
    count = select(func.count()).select_from(listed(account_sid, service_sid).subquery())
    if connection.execute(count).scalar_one() >= LARGEST:
        raise Refused(FULL, f"A messaging service has at most {LARGEST} senders")
    row = {"service_sid": service_sid, "sender_sid": sender_sid, "sender": sender}
    connection.execute(
        insert(models.MessagingSender).values(
            account_sid=account_sid, **row, date_created=now, date_updated=now
        )
    )
    return fetch(connection, account_sid, service_sid, sender_sid)

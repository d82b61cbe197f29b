"""Which sender a message goes out from: one that the account names and owns, or one that its service chooses."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select

from callrouter.directory import e164
from callrouter.messages.once import once
from callrouter.models import MessagingSender, MessagingService, PhoneNumber, ShortCode, StickySender
from foundation.sids import ALPHA_SENDER, PHONE_NUMBER
from foundation.webserver.errors import ApiError

NOT_A_SENDER, INVALID_FROM, CHANNELS_DIFFER = 21606, 21212, 21910
NO_SERVICE, NO_SENDER, EMPTY_SERVICE = 21701, 21703, 21704
CLIENT = "client:"

SENDERS = MessagingSender.__table__.c
STICKY = StickySender.__table__.c


def _owned(model: Any, column: Any) -> Any:
    query = select(model.sid, model.carrier)
    return query.where(model.account_sid == bindparam("account_sid"), column == bindparam("address"))


_OWNED = (_owned(PhoneNumber, PhoneNumber.phone_number), _owned(ShortCode, ShortCode.short_code))


@dataclass(frozen=True, kw_only=True)
class Sender:
    """`address` is a number, a short code, a name or a client. `carrier`: the one that it was given for; "" for any."""

    address: str
    sid: str | None = None
    carrier: str = ""

    @property
    def named(self) -> bool:
        """A name can't be answered, and sends no media."""
        return bool(self.sid and self.sid.startswith(ALPHA_SENDER))


def owned(connection: Connection, account_sid: str, from_: str, to: str) -> Sender:
    """The account's sender of that address; ApiError 21606 when it has none, 21910 when a client writes to a phone."""
    if from_.startswith(CLIENT):
        if not to.startswith(CLIENT):
            raise ApiError(400, CHANNELS_DIFFER, "A message to a phone needs a number as From, not a client.")
        return Sender(address=from_)
    found = once(connection, ("sender", account_sid, from_), lambda: _sender(connection, account_sid, from_))
    if found is None:
        reason = (
            f"From: {from_} is no number or short code of this account that sends messages, and no name that "
            "a messaging service of it has as AlphaSender."
        )
        raise ApiError(400, NOT_A_SENDER, reason)
    return found


def service(connection: Connection, account_sid: str, service_sid: str) -> Any:
    """The messaging service's row; ApiError 21701 when the account has none of that SID."""
    table = MessagingService.__table__
    row = connection.execute(
        select(table).where(table.c.account_sid == account_sid, table.c.sid == service_sid)
    ).first()
    if row is None:
        raise ApiError(400, NO_SERVICE, f"The messaging service {service_sid} does not exist.")
    return row


def pool(connection: Connection, account_sid: str, service_sid: str) -> Sequence[Any]:
    """The service's senders; ApiError 21704 when it has none."""
    query = select(MessagingSender.__table__).where(
        SENDERS.account_sid == account_sid, SENDERS.service_sid == service_sid
    )
    rows = connection.execute(query.order_by(SENDERS.date_created, SENDERS.sender_sid)).all()
    if not rows:
        raise ApiError(400, EMPTY_SERVICE, f"The messaging service {service_sid} has no senders.")
    return rows


def of_service(connection: Connection, row: Any, to: str, *, media: bool) -> Sender:
    """The sender of the service, whose row this is, for that recipient, and kept for it if the service is sticky.

    ApiError 21703 when none of its senders can send this there.
    """
    able = [each for each in pool(connection, row.account_sid, row.sid) if not (media and _is_name(each))]
    kept = _kept(connection, row, to) if row.sticky_sender else None
    chosen = next((each for each in able if each.sender == kept), None)
    if chosen is None:
        chosen = best(able, to, near=row.area_code_geomatch)
        if chosen is None:
            raise ApiError(400, NO_SENDER, f"No sender of the messaging service {row.sid} can send this.")
        if row.sticky_sender and not _is_name(chosen):
            _keep(connection, row, to, chosen.sender)
    return owned(connection, row.account_sid, chosen.sender, to)


def best(senders: Sequence[Any], to: str, *, near: bool) -> Any:
    """A number of the recipient's country, else a short code, a name, any number; of several the nearest (`near`: by
    the longest common beginning), else each recipient's own one, so that all of them are used alike.
    """
    country = e164.country(to)

    def rank(each: Any) -> tuple[int, int, bytes]:
        number = each.sender_sid.startswith(PHONE_NUMBER)
        same = number and e164.country(each.sender) == country
        kind = 0 if same else 3 if number else 2 if _is_name(each) else 1
        shared = _shared(each.sender, to) if near and number else 0
        spread = hashlib.sha256(f"{each.sender} {to}".encode()).digest()
        return kind, -shared, spread

    return min(senders, key=rank, default=None)


def _shared(one: str, other: str) -> int:
    """How many characters they have in common at the beginning."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))


def _is_name(row: Any) -> bool:
    return bool(row.sender_sid.startswith(ALPHA_SENDER))


def _sender(connection: Connection, account_sid: str, address: str) -> Sender | None:
    for query in _OWNED:
        row = connection.execute(query, {"account_sid": account_sid, "address": address}).first()
        if row is not None:
            return Sender(address=address, sid=row.sid, carrier=row.carrier)
    return _name(connection, account_sid, address)


def _name(connection: Connection, account_sid: str, name: str) -> Sender | None:
    query = select(SENDERS.sender_sid).where(
        SENDERS.account_sid == account_sid,
        SENDERS.sender == name,
        SENDERS.sender_sid.startswith(ALPHA_SENDER),
    )
    sid = connection.execute(query.limit(1)).scalar()
    return None if sid is None else Sender(address=name, sid=sid)


def _kept(connection: Connection, row: Any, to: str) -> str | None:
    return connection.execute(select(STICKY.sender).where(*_sticky(row, to))).scalar()


def _keep(connection: Connection, row: Any, to: str, sender: str) -> None:
    connection.execute(delete(StickySender).where(*_sticky(row, to)))
    connection.execute(
        insert(StickySender).values(account_sid=row.account_sid, service_sid=row.sid, to=to, sender=sender)
    )


def _sticky(row: Any, to: str) -> tuple[Any, ...]:
    return (STICKY.account_sid == row.account_sid, STICKY.service_sid == row.sid, STICKY.to == to)

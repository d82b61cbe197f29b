"""Phones that want no more messages from a sender (https://help.twilio.com/articles/223134027)."""

from typing import Any

from sqlalchemy import Connection, and_, bindparam, delete, insert, or_, select

from callrouter.messages.keywords import OptWord
from callrouter.models import MessagingSender, OptOut

OPTED_OUT = 21610


_ACCOUNT: Any = bindparam("account_sid")
_SENDER: Any = bindparam("sender")
_SERVICES = select(MessagingSender.service_sid).where(
    MessagingSender.account_sid == _ACCOUNT, MessagingSender.sender == _SENDER
)
_TOLD = (
    select(OptOut.phone)
    .where(OptOut.account_sid == _ACCOUNT, OptOut.phone == bindparam("phone"))
    .where(
        or_(
            OptOut.sender.in_((_SENDER, bindparam("service_sid"))),
            OptOut.sender.in_(_SERVICES),
        )
    )
    .limit(1)
)


def blocked(
    connection: Connection, account_sid: str, sender: str, service_sid: str | None, phone: str
) -> bool:
    """Whether the phone told this sender, or the messaging service that it is in or is used by, to stop."""
    its = {"account_sid": account_sid, "sender": sender, "service_sid": service_sid or "", "phone": phone}
    return connection.execute(_TOLD, its).first() is not None


def note(
    connection: Connection,
    account_sid: str,
    sender: str,
    service_sid: str | None,
    phone: str,
    word: OptWord | None,
    now: float,
) -> None:
    """What a phone's message means for later ones to it: STOP and START are for all senders of a service."""
    if word not in (OptWord.STOP, OptWord.START):
        return
    whose = service_sid or sender
    senders = {whose, sender} if word is OptWord.START else {whose}
    mine = and_(OptOut.account_sid == account_sid, OptOut.phone == phone)
    connection.execute(delete(OptOut).where(mine, OptOut.sender.in_(senders)))
    if word is OptWord.STOP:
        row = {"account_sid": account_sid, "sender": whose, "phone": phone, "date_created": now}
        connection.execute(insert(OptOut), [row])

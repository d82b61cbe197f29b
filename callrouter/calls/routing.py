"""Who answers for a number, which carrier takes a call, and who may be shown as its caller."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, case, select
from sqlalchemy.orm import aliased

from callrouter.models import Account, Application, Carrier, OutgoingCallerId, PhoneNumber

_OWNER = aliased(Account)
_STATUS = case((Account.status != "active", Account.status), else_=_OWNER.status).label("account_status")
"""A subaccount stops with its owner."""


_NUMBER = (
    select(PhoneNumber.__table__, _STATUS)
    .join(Account, Account.account_sid == PhoneNumber.account_sid)
    .join(_OWNER, _OWNER.account_sid == Account.owner_account_sid)
    .where(PhoneNumber.phone_number == bindparam("phone_number"))
)


@dataclass(frozen=True, kw_only=True)
class Target:
    """The webhooks of a number or application, as a call that comes in needs them."""

    account_sid: str
    account_status: str
    phone_number_sid: str | None
    application_sid: str | None
    voice_url: str
    voice_method: str
    voice_fallback_url: str
    voice_fallback_method: str
    status_callback: str
    status_callback_method: str


def number_target(connection: Connection, phone_number: str) -> Target | None:
    """What answers for this number: its application when it has one, else the number itself (twilio-surface 4.2)."""
    row = connection.execute(_NUMBER, {"phone_number": phone_number}).first()
    if row is None:
        return None
    if row.voice_application_sid:
        application = application_target(connection, row.account_sid, row.voice_application_sid)
        if application is not None:
            return _target(application, phone_number_sid=row.sid)
    return _target(row, phone_number_sid=row.sid)


def application_target(connection: Connection, account_sid: str, application_sid: str) -> Any:
    """The application's row with its account's status, or None."""
    return connection.execute(
        select(Application.__table__, _STATUS)
        .join(Account, Account.account_sid == Application.account_sid)
        .join(_OWNER, _OWNER.account_sid == Account.owner_account_sid)
        .where(Application.account_sid == account_sid, Application.sid == application_sid)
    ).first()


def client_target(connection: Connection, account_sid: str, application_sid: str) -> Target | None:
    """What runs when a client of that account places a call: the application that its token fixes (PR-65)."""
    row = application_target(connection, account_sid, application_sid)
    return None if row is None else _target(row, phone_number_sid=None)


def carrier_for(connection: Connection, account_sid: str, from_: str) -> str | None:
    """The carrier that places a call: the caller number's own, else the oldest active one."""
    own = connection.execute(
        select(PhoneNumber.carrier).where(
            PhoneNumber.account_sid == account_sid,
            PhoneNumber.phone_number == from_,
            PhoneNumber.carrier != "",
        )
    ).scalar()
    active = select(Carrier.name).where(Carrier.status == "active")
    if own and connection.execute(active.where(Carrier.name == own)).scalar():
        return str(own)
    return connection.execute(active.order_by(Carrier.date_created).limit(1)).scalar()


def sip_carrier(connection: Connection) -> str | None:
    """The oldest active carrier that takes calls to SIP addresses."""
    active = select(Carrier.name).where(Carrier.status == "active", Carrier.sip)
    return connection.execute(active.order_by(Carrier.date_created).limit(1)).scalar()


def may_show(connection: Connection, account_sid: str, caller_id: str, inherited: tuple[str, ...]) -> bool:
    """Whether a call to a phone may carry this caller id: our own From or To, or a number owned or verified (13214)."""
    if caller_id in inherited:
        return not caller_id.startswith("client:")
    owned = select(PhoneNumber.sid).where(
        PhoneNumber.account_sid == account_sid, PhoneNumber.phone_number == caller_id
    )
    verified = select(OutgoingCallerId.sid).where(
        OutgoingCallerId.account_sid == account_sid, OutgoingCallerId.phone_number == caller_id
    )
    return connection.execute(owned.union_all(verified)).first() is not None


def _target(row: Any, *, phone_number_sid: str | None) -> Target:
    return Target(
        account_sid=row.account_sid,
        account_status=row.account_status,
        phone_number_sid=phone_number_sid,
        application_sid=row.sid if row.sid.startswith("AP") else None,
        voice_url=row.voice_url,
        voice_method=row.voice_method,
        voice_fallback_url=row.voice_fallback_url,
        voice_fallback_method=row.voice_fallback_method,
        status_callback=row.status_callback,
        status_callback_method=row.status_callback_method,
    )

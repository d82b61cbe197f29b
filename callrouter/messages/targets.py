"""Who answers for a number or short code of ours when a message comes to it (twilio-surface 4.2)."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from callrouter.directory import accounts
from callrouter.models import Application, MessagingSender, MessagingService, PhoneNumber, ShortCode


@dataclass(frozen=True, kw_only=True)
class Target:
    """`url` is empty when nobody is to be asked."""

    account_sid: str
    active: bool
    """the account, and the one above it"""
    sid: str
    """of the number (PN…) or short code (SC…)"""
    service_sid: str | None
    """the messaging service that it is in"""
    url: str
    method: str
    fallback_url: str
    fallback_method: str


def find(connection: Connection, to: str) -> Target | None:
    """None when it is no number of this deployment."""
    number = connection.execute(select(PhoneNumber.__table__).where(PhoneNumber.phone_number == to)).first()
    row = number or connection.execute(select(ShortCode.__table__).where(ShortCode.short_code == to)).first()
    if row is None:
        return None
    account = accounts.find(connection, row.account_sid)
    service = _service(connection, row.account_sid, row.sid)
    common = {
        "account_sid": row.account_sid,
        "active": account is not None and account.active,
        "sid": row.sid,
        "service_sid": service.sid if service else None,
    }
    if service and service.inbound_request_url and not service.use_inbound_webhook_on_number:
        return Target(
            url=service.inbound_request_url,
            method=service.inbound_method,
            fallback_url=service.fallback_url,
            fallback_method=service.fallback_method,
            **common,
        )
    webhooks = (number is not None and _application(connection, number)) or row
    return Target(
        url=webhooks.sms_url,
        method=webhooks.sms_method,
        fallback_url=webhooks.sms_fallback_url,
        fallback_method=webhooks.sms_fallback_method,
        **common,
    )


def _service(connection: Connection, account_sid: str, sender_sid: str) -> Any:
    return connection.execute(
        select(MessagingService.__table__)
        .join(
            MessagingSender,
            (MessagingSender.account_sid == MessagingService.account_sid)
            & (MessagingSender.service_sid == MessagingService.sid),
        )
        .where(MessagingSender.account_sid == account_sid, MessagingSender.sender_sid == sender_sid)
    ).first()


def _application(connection: Connection, number: Any) -> Any:
    if not number.sms_application_sid:
        return None
    return connection.execute(
        select(Application.__table__).where(
            Application.account_sid == number.account_sid, Application.sid == number.sms_application_sid
        )
    ).first()

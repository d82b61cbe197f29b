"""Senders: messaging services with their pools, short codes, and who wants no more messages.

https://www.twilio.com/docs/messaging/api/service-resource
"""

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from callrouter.models.base import Address, Base, Long, Moment, Sid, Word


class MessagingService(Base):
    """Senders that an account uses as one."""

    __tablename__ = "messaging_services"
    __table_args__ = (
        Index("uq_messaging_services_sid", "sid", unique=True),
        Index("ix_messaging_services_list", "account_sid", "date_created", "sid"),
    )

    account_sid: Mapped[Sid] = mapped_column(primary_key=True)
    sid: Mapped[Sid] = mapped_column(primary_key=True)
    """MG…"""
    friendly_name: Mapped[Word]
    inbound_request_url: Mapped[Long] = mapped_column(default="")
    inbound_method: Mapped[str] = mapped_column(String(4), default="POST")
    fallback_url: Mapped[Long] = mapped_column(default="")
    fallback_method: Mapped[str] = mapped_column(String(4), default="POST")
    status_callback: Mapped[Long] = mapped_column(default="")
    sticky_sender: Mapped[bool] = mapped_column(default=True)
    mms_converter: Mapped[bool] = mapped_column(default=True)
    smart_encoding: Mapped[bool] = mapped_column(default=True)
    scan_message_content: Mapped[Word] = mapped_column(default="inherit")
    area_code_geomatch: Mapped[bool] = mapped_column(default=True)
    validity_period: Mapped[int] = mapped_column(default=36_000)
    synchronous_validation: Mapped[bool] = mapped_column(default=False)
    usecase: Mapped[Word] = mapped_column(default="undeclared")
    use_inbound_webhook_on_number: Mapped[bool] = mapped_column(default=False)
    date_created: Mapped[Moment]
    date_updated: Mapped[Moment]


class MessagingSender(Base):
    """A sender in a service's pool; each is in one service at most."""

    __tablename__ = "messaging_senders"
    __table_args__ = (
        Index("uq_messaging_senders_sender", "account_sid", "sender_sid", unique=True),
        Index("ix_messaging_senders_list", "account_sid", "service_sid", "date_created", "sender_sid"),
    )

    account_sid: Mapped[Sid] = mapped_column(primary_key=True)
    service_sid: Mapped[Sid] = mapped_column(primary_key=True)
    sender_sid: Mapped[Sid] = mapped_column(primary_key=True)
    """PN…, SC… or AI…"""
    sender: Mapped[Word]
    """the number, short code or name"""
    date_created: Mapped[Moment]
    date_updated: Mapped[Moment]


class StickySender(Base):
    """The sender that a service keeps for a recipient."""

    __tablename__ = "sticky_senders"

    account_sid: Mapped[Sid] = mapped_column(primary_key=True)
    service_sid: Mapped[Sid] = mapped_column(primary_key=True)
    to: Mapped[Address] = mapped_column(primary_key=True)
    sender: Mapped[Word]


class ShortCode(Base):
    """https://www.twilio.com/docs/messaging/api/short-code-resource: a number of 3 to 6 digits; messages only."""

    __tablename__ = "short_codes"
    __table_args__ = (
        Index("uq_short_codes_sid", "sid", unique=True),
        Index("uq_short_codes_short_code", "short_code", unique=True),
    )

    account_sid: Mapped[Sid] = mapped_column(primary_key=True)
    sid: Mapped[Sid] = mapped_column(primary_key=True)
    """SC…"""
    short_code: Mapped[str] = mapped_column(String(8))
    friendly_name: Mapped[Word]
    sms_url: Mapped[Long] = mapped_column(default="")
    sms_method: Mapped[str] = mapped_column(String(4), default="POST")
    sms_fallback_url: Mapped[Long] = mapped_column(default="")
    sms_fallback_method: Mapped[str] = mapped_column(String(4), default="POST")
    carrier: Mapped[str] = mapped_column(String(64), default="")
    """the carrier that sends from it; empty: the deployment's default"""
    date_created: Mapped[Moment]
    date_updated: Mapped[Moment]


class OptOut(Base):
    """A phone that told a sender STOP: sends to it fail with 21610 until it says START."""

    __tablename__ = "opt_outs"

    account_sid: Mapped[Sid] = mapped_column(primary_key=True)
    sender: Mapped[str] = mapped_column(String(64), primary_key=True)
    """the number or short code, or the service that it is in: then all of that service"""
    phone: Mapped[Address] = mapped_column(primary_key=True)
    date_created: Mapped[Moment]

"""Phone numbers and TwiML applications: which URL is asked when something arrives."""

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from callrouter.models.base import Base, Long, Moment, Sid, Word


class _Webhooks:
    voice_url: Mapped[Long] = mapped_column(default="")
    voice_method: Mapped[str] = mapped_column(String(4), default="POST")
    voice_fallback_url: Mapped[Long] = mapped_column(default="")
    voice_fallback_method: Mapped[str] = mapped_column(String(4), default="POST")
    voice_caller_id_lookup: Mapped[bool] = mapped_column(default=False)
    status_callback: Mapped[Long] = mapped_column(default="")
    status_callback_method: Mapped[str] = mapped_column(String(4), default="POST")
    sms_url: Mapped[Long] = mapped_column(default="")
    sms_method: Mapped[str] = mapped_column(String(4), default="POST")
    sms_fallback_url: Mapped[Long] = mapped_column(default="")
    sms_fallback_method: Mapped[str] = mapped_column(String(4), default="POST")
    date_created: Mapped[Moment]
    date_updated: Mapped[Moment]


class PhoneNumber(_Webhooks, Base):
    """https://www.twilio.com/docs/phone-numbers/api/incomingphonenumber-resource"""

    __tablename__ = "phone_numbers"
    __table_args__ = (
        Index("uq_phone_numbers_sid", "sid", unique=True),
        Index("uq_phone_numbers_phone_number", "phone_number", unique=True),
    )

    account_sid: Mapped[Sid] = mapped_column(primary_key=True)
    sid: Mapped[Sid] = mapped_column(primary_key=True)
    phone_number: Mapped[str] = mapped_column(String(16))
    """E.164, with the plus"""
    friendly_name: Mapped[Word]
    voice_application_sid: Mapped[str] = mapped_column(String(34), default="")
    sms_application_sid: Mapped[str] = mapped_column(String(34), default="")
    carrier: Mapped[str] = mapped_column(String(64), default="")
    """the carrier that places calls from this number; empty: the deployment's default"""


class PoolNumber(Base):
    """A number that the operator offers: an account may take it while no account has it."""

    __tablename__ = "pool_numbers"

    phone_number: Mapped[str] = mapped_column(String(16), primary_key=True)
    """E.164, with the plus"""
    carrier: Mapped[str] = mapped_column(String(64), default="")
    """the carrier that places calls from it; empty: the deployment's default"""
    date_created: Mapped[Moment]


class Application(_Webhooks, Base):
    """https://www.twilio.com/docs/usage/api/applications: also what runs when a client places a call."""

    __tablename__ = "applications"
    __table_args__ = (Index("uq_applications_sid", "sid", unique=True),)

    account_sid: Mapped[Sid] = mapped_column(primary_key=True)
    sid: Mapped[Sid] = mapped_column(primary_key=True)
    friendly_name: Mapped[Word]
    message_status_callback: Mapped[Long] = mapped_column(default="")
    sms_status_callback: Mapped[Long] = mapped_column(default="")
    public_application_connect_enabled: Mapped[bool] = mapped_column(default=False)

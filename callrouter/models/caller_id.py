"""Numbers that are not an account's, but that it may show as the caller."""

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from callrouter.models.base import Base, Moment, Sid, Word


class OutgoingCallerId(Base):
    """https://www.twilio.com/docs/voice/api/outgoing-caller-ids: a verified number of somebody else's carrier."""

    __tablename__ = "outgoing_caller_ids"
    __table_args__ = (
        Index("uq_outgoing_caller_ids_sid", "sid", unique=True),
        Index("uq_outgoing_caller_ids_phone_number", "account_sid", "phone_number", unique=True),
    )

    account_sid: Mapped[Sid] = mapped_column(primary_key=True)
    sid: Mapped[Sid] = mapped_column(primary_key=True)
    phone_number: Mapped[str] = mapped_column(String(16))
    """E.164, with the plus"""
    friendly_name: Mapped[Word]
    date_created: Mapped[Moment]
    date_updated: Mapped[Moment]

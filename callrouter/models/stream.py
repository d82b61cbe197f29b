"""Streams of calls to WebSockets: https://www.twilio.com/docs/voice/api/stream-resource."""

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from callrouter.models.base import Base, Moment, Sid, Word


class Stream(Base):
    """A stream that is live, or was."""

    __tablename__ = "streams"
    __table_args__ = (
        Index("uq_streams_sid", "sid", unique=True),
        Index("ix_streams_call", "account_sid", "call_sid"),
    )

    account_sid: Mapped[Sid] = mapped_column(primary_key=True)
    sid: Mapped[Sid] = mapped_column(primary_key=True)
    call_sid: Mapped[Sid]
    name: Mapped[Word]
    """its sid, unless the customer gave it one"""
    status: Mapped[Word]
    """in-progress or stopped"""
    date_created: Mapped[Moment]
    date_updated: Mapped[Moment]

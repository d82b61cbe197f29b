"""Transcriptions of recordings: https://www.twilio.com/docs/voice/api/recording-transcription."""

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from callrouter.models.base import Base, Long, Moment, Sid, Word


class Transcription(Base):
    """The text of a recording."""

    __tablename__ = "transcriptions"
    __table_args__ = (
        Index("uq_transcriptions_sid", "sid", unique=True),
        Index("ix_transcriptions_list", "account_sid", "date_created", "sid"),
        Index("ix_transcriptions_recording", "account_sid", "recording_sid"),
    )

    account_sid: Mapped[Sid] = mapped_column(primary_key=True)
    sid: Mapped[Sid] = mapped_column(primary_key=True)
    recording_sid: Mapped[Sid]
    status: Mapped[Word]
    """in-progress, completed or failed"""
    text: Mapped[Long]
    duration: Mapped[int]
    """whole seconds, of the recording"""
    date_created: Mapped[Moment]
    date_updated: Mapped[Moment]

"""Recordings: https://www.twilio.com/docs/voice/api/recording. Their audio is the media service's."""

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from callrouter.models.base import Base, Long, Moment, Sid, Word


class Recording(Base):
    """What was or is being recorded, and who wants to hear of it."""

    __tablename__ = "recordings"
    __table_args__ = (
        Index("uq_recordings_sid", "sid", unique=True),
        Index("ix_recordings_list", "account_sid", "date_created", "sid"),
        Index("ix_recordings_call", "account_sid", "call_sid"),
        Index("ix_recordings_conference", "account_sid", "conference_sid"),
    )

    account_sid: Mapped[Sid] = mapped_column(primary_key=True)
    sid: Mapped[Sid] = mapped_column(primary_key=True)
    call_sid: Mapped[Sid]
    """the leg that was recorded"""
    conference_sid: Mapped[Sid | None]
    """the conference whose mix was recorded; `call_sid` is then who started it"""
    source: Mapped[Word]
    """RecordVerb, DialVerb …"""
    track: Mapped[Word]
    channels: Mapped[int]
    status: Mapped[Word]
    """in-progress, paused or stopped; then completed, or absent when there is nothing to hear. A deleted one was
    deleted while it went on, and waits to be thrown away"""
    duration: Mapped[int | None]
    """whole seconds"""
    error_code: Mapped[int | None]
    start_time: Mapped[Moment]
    callback_url: Mapped[Long | None]
    callback_method: Mapped[str] = mapped_column(String(4))
    callback_events: Mapped[str] = mapped_column(String(64))
    """of in-progress, completed and absent, with blanks between"""
    transcribe: Mapped[bool] = mapped_column(default=False)
    transcribe_url: Mapped[Long | None]
    """who is sent its text"""
    date_created: Mapped[Moment]
    date_updated: Mapped[Moment]

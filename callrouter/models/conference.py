"""Conferences and who is in them: https://www.twilio.com/docs/voice/api/conference-resource."""

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from callrouter.models.base import Base, Long, Moment, Sid, Word


class Conference(Base):
    """A room of an account, from its first participant to its end."""

    __tablename__ = "conferences"
    __table_args__ = (
        Index("uq_conferences_sid", "sid", unique=True),
        Index("uq_conferences_live_name", "account_sid", "live_name", unique=True),
        Index("ix_conferences_list", "account_sid", "date_created", "sid"),
    )

    account_sid: Mapped[Sid] = mapped_column(primary_key=True)
    sid: Mapped[Sid] = mapped_column(primary_key=True)
    friendly_name: Mapped[str] = mapped_column(String(128))
    live_name: Mapped[str | None] = mapped_column(String(128))
    """its friendly name until it is completed: one conference of a name at a time"""
    status: Mapped[Word]
    """init, in-progress or completed"""
    reason_ended: Mapped[Word | None]
    call_sid_ending: Mapped[Sid | None]
    sequence: Mapped[int] = mapped_column(default=0)
    """status callbacks so far"""
    entries: Mapped[int] = mapped_column(default=0)
    """outbox entries so far"""
    callback_url: Mapped[Long | None]
    callback_method: Mapped[str] = mapped_column(String(4))
    callback_events: Mapped[str] = mapped_column(String(100))
    """of start, end, join, leave, mute, hold, modify, speaker and announcement, with blanks between"""
    record: Mapped[bool]
    trim: Mapped[bool]
    recording_callback_url: Mapped[Long | None]
    recording_callback_method: Mapped[str] = mapped_column(String(4))
    recording_callback_events: Mapped[str] = mapped_column(String(64))
    date_created: Mapped[Moment]
    date_updated: Mapped[Moment]


class Participant(Base):
    """A leg that is in a conference, or was invited by REST; it leaves with its row."""

    __tablename__ = "participants"
    __table_args__ = (Index("ix_participants_list", "account_sid", "conference_sid", "date_created"),)

    account_sid: Mapped[Sid] = mapped_column(primary_key=True)
    call_sid: Mapped[Sid] = mapped_column(primary_key=True)
    conference_sid: Mapped[Sid]
    session_sid: Mapped[Sid]
    """the parent call that the leg belongs to"""
    leg: Mapped[Word]
    ticket: Mapped[Word]
    """the outbox entry by which the leg came in; empty while it is invited"""
    label: Mapped[str | None] = mapped_column(String(128))
    muted: Mapped[bool]
    hold: Mapped[bool]
    coach: Mapped[str] = mapped_column(String(34))
    """the call that alone hears this one, or empty"""
    start_on_enter: Mapped[bool]
    end_on_exit: Mapped[bool]
    beep_on_exit: Mapped[bool]
    joined: Mapped[bool]
    date_created: Mapped[Moment]
    date_updated: Mapped[Moment]

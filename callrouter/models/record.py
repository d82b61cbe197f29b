"""What happened, for people: a call's timeline, notifications of faults, every webhook with its answer."""

from typing import Any

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from callrouter.models.base import Base, Long, Moment, Sid, Word


class TimelineEntry(Base):
    """One row of a call's ladder: who told whom what."""

    __tablename__ = "timeline"
    __table_args__ = (Index("ix_timeline_feed", "account_sid", "at"),)

    account_sid: Mapped[Sid] = mapped_column(primary_key=True)
    call_sid: Mapped[Sid] = mapped_column(primary_key=True)
    """the session's parent call"""
    position: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[Moment]
    source: Mapped[Word]
    """caller, router, app, presence, voice, or a leg's address"""
    target: Mapped[Word]
    summary: Mapped[Long]
    detail: Mapped[dict[str, Any]]


class Notification(Base):
    """https://www.twilio.com/docs/voice/api/notification-resource: a fault, its code and where it is."""

    __tablename__ = "notifications"
    __table_args__ = (
        Index("uq_notifications_sid", "sid", unique=True),
        Index("ix_notifications_list", "account_sid", "message_date", "sid"),
        Index("ix_notifications_call", "account_sid", "call_sid"),
    )

    account_sid: Mapped[Sid] = mapped_column(primary_key=True)
    sid: Mapped[Sid] = mapped_column(primary_key=True)
    call_sid: Mapped[Sid | None]
    log: Mapped[str] = mapped_column(String(1))
    """0 an error, 1 a warning"""
    error_code: Mapped[Word]
    message_text: Mapped[Long]
    message_date: Mapped[Moment]
    request_method: Mapped[str | None] = mapped_column(String(4))
    request_url: Mapped[Long | None]
    request_variables: Mapped[Long | None]
    response_headers: Mapped[Long | None]
    response_body: Mapped[Long | None]


class Delivery(Base):
    """One webhook request to a customer's server, and what came back."""

    __tablename__ = "deliveries"
    __table_args__ = (
        Index("ix_deliveries_call", "account_sid", "call_sid", "at"),
        Index("ix_deliveries_list", "account_sid", "at", "id"),
    )

    account_sid: Mapped[Sid] = mapped_column(primary_key=True)
    id: Mapped[Word] = mapped_column(primary_key=True)
    call_sid: Mapped[Sid]
    kind: Mapped[Word]
    """document, status-callback or partial-result"""
    at: Mapped[Moment]
    method: Mapped[str] = mapped_column(String(4))
    url: Mapped[Long]
    parameters: Mapped[dict[str, Any]]
    attempt: Mapped[int] = mapped_column(default=1)
    request_headers: Mapped[dict[str, Any] | None]
    """of the last exchange, without credentials; none when nothing was sent"""
    hops: Mapped[list[Any] | None]
    """every exchange: tries and redirects (method, url, seconds, status, error_code)"""
    response_status: Mapped[int | None]
    content_type: Mapped[Word | None]
    response_headers: Mapped[list[Any] | None]
    """names and values in pairs, as they came"""
    response_body: Mapped[Long | None]
    error_code: Mapped[int | None]
    error_text: Mapped[Long | None]
    """why there is no answer, in words for the customer"""
    duration_ms: Mapped[int]

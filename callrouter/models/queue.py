"""Queues, who waits in them and who takes from them: https://www.twilio.com/docs/voice/api/queue-resource."""

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from callrouter.models.base import Base, Long, Moment, Sid, Word


class Queue(Base):
    """A queue of an account; callers leave it in the order in which they came."""

    __tablename__ = "queues"
    __table_args__ = (
        Index("uq_queues_sid", "sid", unique=True),
        Index("uq_queues_friendly_name", "account_sid", "friendly_name", unique=True),
        Index("ix_queues_list", "account_sid", "date_created", "sid"),
    )

    account_sid: Mapped[Sid] = mapped_column(primary_key=True)
    sid: Mapped[Sid] = mapped_column(primary_key=True)
    friendly_name: Mapped[str] = mapped_column(String(64))
    max_size: Mapped[int]
    entries: Mapped[int] = mapped_column(default=0)
    """outbox entries so far"""
    date_created: Mapped[Moment]
    date_updated: Mapped[Moment]


class QueueMember(Base):
    """A leg at a queue: a caller who waits to be taken, or an agent who waits to take one."""

    __tablename__ = "queue_members"
    __table_args__ = (
        Index("ix_queue_members_line", "account_sid", "queue_sid", "agent", "partner", "date_enqueued"),
    )

    account_sid: Mapped[Sid] = mapped_column(primary_key=True)
    call_sid: Mapped[Sid] = mapped_column(primary_key=True)
    queue_sid: Mapped[Sid]
    session_sid: Mapped[Sid]
    """the parent call that the leg belongs to"""
    leg: Mapped[Word]
    ticket: Mapped[Word]
    """the outbox entry by which the leg came in"""
    agent: Mapped[bool]
    partner: Mapped[str] = mapped_column(String(34))
    """the call that it is matched with; empty while it waits"""
    connected: Mapped[bool]
    """it hears its partner"""
    url: Mapped[Long | None]
    """an agent's document for the caller who is taken"""
    method: Mapped[str] = mapped_column(String(4))
    date_enqueued: Mapped[Moment]

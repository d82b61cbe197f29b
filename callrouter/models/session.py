"""The engine's own tables: what a call remembers, what came in, what must go out, what falls due.

A session is a live parent call with all its legs. Its row is the truth; memory is only a copy.
"""

from typing import Any

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from callrouter.models.base import Base, Long, Moment, Sid, Word


class Session(Base):
    """The snapshot of a call in progress; `version` and `epoch` refuse a writer that was overtaken."""

    __tablename__ = "sessions"
    __table_args__ = (Index("ix_sessions_owner", "owner"),)

    account_sid: Mapped[Sid] = mapped_column(primary_key=True)
    call_sid: Mapped[Sid] = mapped_column(primary_key=True)
    snapshot: Mapped[Long]
    """callrouter.calls.session as JSON"""
    version: Mapped[int]
    owner: Mapped[Word]
    epoch: Mapped[int]
    date_updated: Mapped[Moment]


class Inbox(Base):
    """Every event that was acknowledged, by its source's own id."""

    __tablename__ = "inbox"
    __table_args__ = (Index("ix_inbox_received", "received_at"),)

    source: Mapped[str] = mapped_column(String(80), primary_key=True)
    """`carrier:NAME`, `presence`, `voice` or `timer`"""
    event_id: Mapped[str] = mapped_column(String(200), primary_key=True)
    account_sid: Mapped[Sid]
    call_sid: Mapped[Sid]
    """the session it belongs to"""
    received_at: Mapped[Moment]


class Outbox(Base):
    """What must go out, until it has: commands to carriers, clients and the voice node, and callbacks."""

    __tablename__ = "outbox"
    __table_args__ = (
        Index("ix_outbox_due", "owner", "due_at"),
        Index("ix_outbox_call", "account_sid", "call_sid"),
    )

    id: Mapped[Word] = mapped_column(primary_key=True)
    account_sid: Mapped[Sid]
    call_sid: Mapped[Sid]
    """the session that it belongs to"""
    lane: Mapped[str] = mapped_column(String(100))
    """entries of one lane go out one after the other, in order of `position`"""
    position: Mapped[int]
    kind: Mapped[Word]
    payload: Mapped[dict[str, Any]]
    attempts: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[Moment]
    owner: Mapped[Word]
    created_at: Mapped[Moment]


class Timer(Base):
    """What falls due in a call, so that nothing waits for ever (reliability-security I6)."""

    __tablename__ = "timers"

    account_sid: Mapped[Sid] = mapped_column(primary_key=True)
    call_sid: Mapped[Sid] = mapped_column(primary_key=True)
    name: Mapped[Word] = mapped_column(primary_key=True)
    due_at: Mapped[Moment]


class RouterNode(Base):
    """A router process and its lease: while it is renewed, nobody else touches the calls it owns."""

    __tablename__ = "router_nodes"

    name: Mapped[Word] = mapped_column(primary_key=True)
    epoch: Mapped[int]
    lease_until: Mapped[Moment]

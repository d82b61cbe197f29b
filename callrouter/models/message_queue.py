"""What waits to be sent, by whom it may be sent, and what became of what was sent."""

from typing import Any

from sqlalchemy import BigInteger, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from callrouter.models.base import Base, Measure, Moment, Sid, Word


class QueuedMessage(Base):
    """A message in the queue of the carrier that was chosen for it (PQ-1), until that carrier has it."""

    __tablename__ = "message_queue"
    __table_args__ = (
        Index("uq_message_queue_message", "message_sid", unique=True),
        Index("ix_message_queue_next", "carrier", "state", "account_sid", "priority", "position"),
        Index("ix_message_queue_lane", "lane", "position"),
        Index("ix_message_queue_account", "carrier", "account_sid"),
        Index("ix_message_queue_leases", "state", "lease_until"),
        Index("ix_message_queue_validity", "valid_until"),
    )

    position: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    )
    """the order in which messages came"""
    account_sid: Mapped[Sid]
    message_sid: Mapped[Sid]
    carrier: Mapped[Word]
    """a carrier's name, or `presence` for a client"""
    lane: Mapped[str] = mapped_column(String(64))
    """a digest of account, sender and recipient: one after the other in it, whatever their carriers (PQ-5)"""
    prefix: Mapped[str] = mapped_column(String(16))
    """the destination prefix that its route was chosen for"""
    kind: Mapped[Word]
    """sms or mms"""
    segments: Mapped[int]
    priority: Mapped[int] = mapped_column(default=0)
    """within its account the lower goes first (PQ-9)"""
    state: Mapped[Word]
    """waiting, or leased while a process gives it to the carrier"""
    lease_owner: Mapped[str] = mapped_column(String(100), default="")
    lease_until: Mapped[Moment | None]
    due_at: Mapped[Moment]
    attempts: Mapped[int] = mapped_column(default=0)
    moves: Mapped[int] = mapped_column(default=0)
    """how often it changed its queue (PQ-7)"""
    avoided: Mapped[list[str]] = mapped_column(default=list)
    """carriers that it is not given to again"""
    valid_until: Mapped[Moment]
    enqueued_at: Mapped[Moment]


class MessageDecision(Base):
    """Why a message went into the queue it went into: every route that was considered, with its score (PQ-2, MR-10)."""

    __tablename__ = "message_decisions"

    account_sid: Mapped[Sid] = mapped_column(primary_key=True)
    message_sid: Mapped[Sid] = mapped_column(primary_key=True)
    attempt: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[Moment]
    carrier: Mapped[Word]
    """the one chosen; empty when there was none"""
    reason: Mapped[Word]
    """best, explored, pinned, only, number or moved"""
    considered: Mapped[list[Any]]


class MessageRoute(Base):
    """A carrier that may take messages to a destination prefix (MR-1). The operator's."""

    __tablename__ = "message_routes"

    carrier: Mapped[Word] = mapped_column(primary_key=True)
    prefix: Mapped[str] = mapped_column(String(16), primary_key=True)
    """what E.164 numbers begin with, such as +4477; `+` for all"""
    kind: Mapped[Word] = mapped_column(primary_key=True)
    """sms or mms"""
    cost: Mapped[Measure] = mapped_column(default=0.0)
    """per segment, in any unit that is the same for all"""
    weight: Mapped[Measure] = mapped_column(default=1.0)
    state: Mapped[Word] = mapped_column(default="enabled")
    """enabled, disabled, pinned or banned (MR-10)"""
    date_created: Mapped[Moment]
    date_updated: Mapped[Moment]


class RouteCount(Base):
    """What became of messages, per route, account and period: the evidence that routes are ranked by (MR-5)."""

    __tablename__ = "route_counts"
    __table_args__ = (Index("ix_route_counts_period", "period"),)

    carrier: Mapped[Word] = mapped_column(primary_key=True)
    prefix: Mapped[str] = mapped_column(String(16), primary_key=True)
    kind: Mapped[Word] = mapped_column(primary_key=True)
    account_sid: Mapped[Sid] = mapped_column(primary_key=True)
    """kept apart, because no account may move another's ranking beyond a share (MR-9)"""
    period: Mapped[int] = mapped_column(primary_key=True)
    """Unix time of its start, in seconds"""
    sent: Mapped[int] = mapped_column(default=0)
    delivered: Mapped[int] = mapped_column(default=0)
    """reported as delivered, or confirmed by the app"""
    undelivered: Mapped[int] = mapped_column(default=0)
    """reported as undelivered or failed"""
    unreported: Mapped[int] = mapped_column(default=0)
    """no report in time (MR-4); one that comes later moves it"""
    latency_ms: Mapped[int] = mapped_column(BigInteger(), default=0)
    """from hand-off to the report, summed over those delivered"""


class CarrierHealth(Base):
    """A carrier's breaker and the speed of its queue, as the process that sends to it last saw them (PQ-8, PQ-11)."""

    __tablename__ = "carrier_health"

    carrier: Mapped[Word] = mapped_column(primary_key=True)
    breaker: Mapped[Word] = mapped_column(default="closed")
    """closed, open or half-open"""
    failures: Mapped[int] = mapped_column(default=0)
    """one after the other"""
    opened_at: Mapped[Moment | None]
    taken: Mapped[Measure] = mapped_column(default=0.0)
    """messages taken in a second, over the sliding window"""
    offered: Mapped[Measure] = mapped_column(default=0.0)
    """messages put into its queue in a second, over the same window"""
    depth: Mapped[int] = mapped_column(default=0)
    """messages in its queue at `date_updated`"""
    next_at: Mapped[Moment] = mapped_column(default=0.0)
    """nothing is given to it before: its send rate (PQ-3), or the pause that it asked for"""
    turn: Mapped[Sid] = mapped_column(default="")
    """the account that was served last: the next one in order is served next (PQ-9)"""
    date_updated: Mapped[Moment]

"""Carriers belong to the operator, not to an account."""

from sqlalchemy.orm import Mapped, mapped_column

from callrouter.models.base import Base, Long, Measure, Moment, Sid, Word


class Carrier(Base):
    """A gateway that speaks docs/protocols/carrier.md."""

    __tablename__ = "carriers"

    name: Mapped[Word] = mapped_column(primary_key=True)
    sid: Mapped[Sid]
    control_url: Mapped[Long]
    secrets_sealed: Mapped[list[str]]
    """newest first; we sign with the first and take any"""
    status: Mapped[Word] = mapped_column(default="active")
    """active or disabled"""
    sip: Mapped[bool] = mapped_column(default=False)
    """it also takes calls to SIP addresses"""
    messages: Mapped[bool] = mapped_column(default=True)
    """it takes messages"""
    message_rate: Mapped[Measure] = mapped_column(default=0.0)
    """segments that it takes in a second; 0: no limit (PQ-3)"""
    message_window: Mapped[int] = mapped_column(default=10)
    """messages that may be under way to it at once"""
    date_created: Mapped[Moment]
    date_updated: Mapped[Moment]

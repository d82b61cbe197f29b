"""Carriers belong to the operator, not to an account."""

from sqlalchemy.orm import Mapped, mapped_column

from callrouter.models.base import Base, Long, Moment, Sid, Word


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
    date_created: Mapped[Moment]
    date_updated: Mapped[Moment]

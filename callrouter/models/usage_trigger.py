"""What an account wants to hear of its usage: https://www.twilio.com/docs/usage/api/usage-trigger."""

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from callrouter.models.base import Base, Long, Moment, Sid, Word


class UsageTrigger(Base):
    """It fires when a category's usage reaches a value: once, or once in each day, month or year."""

    __tablename__ = "usage_triggers"
    __table_args__ = (
        Index("uq_usage_triggers_sid", "sid", unique=True),
        Index("ix_usage_triggers_list", "account_sid", "date_created", "sid"),
    )

    account_sid: Mapped[Sid] = mapped_column(primary_key=True)
    sid: Mapped[Sid] = mapped_column(primary_key=True)
    friendly_name: Mapped[Word]
    usage_category: Mapped[Word]
    trigger_by: Mapped[Word]
    """count, usage or price"""
    trigger_value: Mapped[Word]
    """a decimal number"""
    recurring: Mapped[Word]
    """daily, monthly, yearly or alltime"""
    callback_url: Mapped[Long]
    callback_method: Mapped[str] = mapped_column(String(4))
    fired_period: Mapped[Word] = mapped_column(default="")
    """the first day of the last period in which it fired; empty until it does"""
    date_fired: Mapped[Moment | None]
    date_created: Mapped[Moment]
    date_updated: Mapped[Moment]

"""Calls: one row per leg, as Twilio's Call resource shows them."""

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from callrouter.models.base import Address, Base, Moment, Sid, Word


class Call(Base):
    """https://www.twilio.com/docs/voice/api/call-resource: a parent leg, or a leg dialled from one."""

    __tablename__ = "calls"
    __table_args__ = (
        Index("uq_calls_sid", "sid", unique=True),
        Index("uq_calls_carrier_id", "carrier", "carrier_call_id", unique=True),
        Index("ix_calls_list", "account_sid", "date_created", "sid"),
        Index("ix_calls_from", "account_sid", "from", "date_created", "sid"),
        Index("ix_calls_to", "account_sid", "to", "date_created", "sid"),
        Index("ix_calls_parent", "account_sid", "parent_call_sid"),
        Index("ix_calls_taken", "taken_by", "date_created", "sid"),
    )

    account_sid: Mapped[Sid] = mapped_column(primary_key=True)
    sid: Mapped[Sid] = mapped_column(primary_key=True)
    parent_call_sid: Mapped[Sid | None]
    leg: Mapped[Word] = mapped_column(default="")
    """the leg's name inside its session: empty for the parent, else as the language names it"""
    direction: Mapped[Word]
    """inbound, outbound-api or outbound-dial"""
    from_: Mapped[Address] = mapped_column("from")
    to: Mapped[Address]
    status: Mapped[Word]
    """one of callrouter.calls.status.Status"""
    phone_number_sid: Mapped[Sid | None]
    application_sid: Mapped[Sid | None]
    caller_name: Mapped[str | None] = mapped_column(String(64))
    answered_by: Mapped[Word | None]
    carrier: Mapped[Word | None]
    """the carrier that carries this leg; none for a client's"""
    carrier_call_id: Mapped[str | None] = mapped_column(String(128))
    identity: Mapped[str | None] = mapped_column(String(256))
    """the client on this leg"""
    taken_by: Mapped[Sid | None]
    """the account of the client that took it, when that is another than the call's (PR-61)"""
    ended_because: Mapped[Word | None]
    """why it ended, in our words; see callrouter.calls.status"""
    queue_time: Mapped[int] = mapped_column(default=0)
    """milliseconds for which it waited in its account's queue before it was placed"""
    date_created: Mapped[Moment]
    date_updated: Mapped[Moment]
    start_time: Mapped[Moment | None]
    """when it was answered; for a call that never was, when it ended"""
    end_time: Mapped[Moment | None]

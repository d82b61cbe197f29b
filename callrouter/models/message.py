"""Messages, what hangs on them, and the program of one that came in.

https://www.twilio.com/docs/messaging/api/message-resource
"""

from typing import Any

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from callrouter.models.base import Address, Base, Long, Moment, Sid, Word


class Message(Base):
    """A text or picture message, to or from a phone or a client."""

    __tablename__ = "messages"
    __table_args__ = (
        Index("uq_messages_sid", "sid", unique=True),
        Index("uq_messages_carrier_id", "carrier", "carrier_message_id", unique=True),
        Index("ix_messages_list", "account_sid", "date_created", "sid"),
        Index("ix_messages_to", "account_sid", "to", "date_created"),
        Index("ix_messages_updated", "account_sid", "date_updated"),
        Index("ix_messages_session", "account_sid", "session_sid", "date_created"),
        Index("ix_messages_due", "status", "due_at"),
    )

    account_sid: Mapped[Sid] = mapped_column(primary_key=True)
    sid: Mapped[Sid] = mapped_column(primary_key=True)
    """SM…, or MM… with media"""
    direction: Mapped[Word]
    """inbound, outbound-api, outbound-call or outbound-reply"""
    from_: Mapped[Address] = mapped_column("from")
    """empty until a messaging service has chosen"""
    to: Mapped[Address]
    body: Mapped[Long]
    encoding: Mapped[Word]
    """gsm-7 or ucs-2"""
    num_segments: Mapped[int]
    num_media: Mapped[int] = mapped_column(default=0)
    status: Mapped[Word]
    """one of callrouter.messages.status.Status"""
    error_code: Mapped[int | None]
    messaging_service_sid: Mapped[Sid | None]
    phone_number_sid: Mapped[Sid | None]
    """the number of ours that it came to or goes out from"""
    answers: Mapped[Sid | None]
    """the inbound message whose document sent this"""
    session_sid: Mapped[Sid | None]
    status_callback: Mapped[Long | None]
    """where its status is told, whoever set that; None: nowhere"""
    callbacks: Mapped[int] = mapped_column(default=0)
    """status callbacks queued so far"""
    otherwise: Mapped[Word | None]
    """for a client who is not there: hold, tell, or the number that gets it instead (PR-73)"""
    media_required: Mapped[bool] = mapped_column(default=False)
    """it fails where media can't go, instead of becoming a link (PR-74)"""
    feedback: Mapped[Word | None]
    """None: not asked for; else unconfirmed, confirmed, or undelivered when nobody reported in time (MR-4)"""
    carrier: Mapped[Word | None]
    """who brought it, or who took it from us; `presence` for a client"""
    carrier_message_id: Mapped[str | None] = mapped_column(String(128))
    """the carrier's own id of a message that it brought; ours, the sid, of one that it takes"""
    possible_duplicate: Mapped[bool] = mapped_column(default=False)
    """it was given to a carrier again after an answer that nobody heard (reliability-security OM5 to OM8)"""
    valid_until: Mapped[Moment | None]
    """a message that has not left by then fails (PQ-6)"""
    due_at: Mapped[Moment | None]
    """when a scheduled one goes out, or a sent one counts as not reported (MR-4); None: nothing is waited for"""
    reported_at: Mapped[Moment | None]
    """when its carrier or its app said what became of it"""
    date_created: Mapped[Moment]
    date_updated: Mapped[Moment]
    date_sent: Mapped[Moment | None]


class MessageMedia(Base):
    """https://www.twilio.com/docs/messaging/api/media-resource: one picture, sound or other file of a message."""

    __tablename__ = "message_media"
    __table_args__ = (
        Index("uq_message_media_sid", "sid", unique=True),
        Index("ix_message_media_list", "account_sid", "message_sid", "position"),
    )

    account_sid: Mapped[Sid] = mapped_column(primary_key=True)
    sid: Mapped[Sid] = mapped_column(primary_key=True)
    """ME…"""
    message_sid: Mapped[Sid]
    position: Mapped[int]
    url: Mapped[Long]
    """where it was said to be"""
    content_type: Mapped[Word]
    """empty until it is stored"""
    size: Mapped[int | None]
    """bytes; None until it is stored"""
    error_code: Mapped[int | None]
    """why it could not be had"""
    date_created: Mapped[Moment]
    date_updated: Mapped[Moment]


class MessageProgram(Base):
    """What the app of an inbound message is being asked: `instructions.messaging`'s state, until it has finished."""

    __tablename__ = "message_programs"

    account_sid: Mapped[Sid] = mapped_column(primary_key=True)
    message_sid: Mapped[Sid] = mapped_column(primary_key=True)
    state: Mapped[Long]
    version: Mapped[int]
    date_updated: Mapped[Moment]


class MessageCookies(Base):
    """What the app keeps between messages of one phone to one number (twilio-surface 8: four hours)."""

    __tablename__ = "message_cookies"
    __table_args__ = (Index("ix_message_cookies_until", "until"),)

    account_sid: Mapped[Sid] = mapped_column(primary_key=True)
    number: Mapped[Address] = mapped_column(primary_key=True)
    phone: Mapped[Address] = mapped_column(primary_key=True)
    cookies: Mapped[list[Any]]
    until: Mapped[Moment]


class IdempotencyKey(Base):
    """A REST request that may come again: the same key gets the same message (reliability-security OM2)."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (Index("ix_idempotency_keys_created", "date_created"),)

    account_sid: Mapped[Sid] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    request: Mapped[Word]
    """a digest of its parameters: another request under the same key is refused"""
    message_sid: Mapped[Sid]
    date_created: Mapped[Moment]


class MessageSession(Base):
    """A phone and a client that write to each other through a number of ours (PR-71)."""

    __tablename__ = "message_sessions"
    __table_args__ = (
        Index("uq_message_sessions_sid", "sid", unique=True),
        Index("uq_message_sessions_open", "account_sid", "open_key", unique=True),
        Index("ix_message_sessions_list", "account_sid", "date_created", "sid"),
        Index("ix_message_sessions_due", "status", "ends_at"),
    )

    account_sid: Mapped[Sid] = mapped_column(primary_key=True)
    sid: Mapped[Sid] = mapped_column(primary_key=True)
    """MS…"""
    phone: Mapped[Address]
    """the device: an E.164 number"""
    number: Mapped[Address]
    """the number of ours between them"""
    client: Mapped[str] = mapped_column(String(256))
    """the client's identity"""
    otherwise: Mapped[Word | None]
    """for when the client is not there, as of a message (PR-73); None: messages to it are held"""
    status: Mapped[Word]
    """open, closed or timed-out"""
    open_key: Mapped[str | None] = mapped_column(String(80))
    """number and phone while it is open, so that there is one open session at most; else None"""
    timeout: Mapped[int]
    """seconds without a message after which it ends"""
    ends_at: Mapped[Moment]
    date_created: Mapped[Moment]
    date_updated: Mapped[Moment]

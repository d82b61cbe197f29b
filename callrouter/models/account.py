"""Accounts (tenants, with one level of subaccounts) and their API keys."""

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from callrouter.models.base import Base, Moment, Sid, Word


class Account(Base):
    """https://www.twilio.com/docs/iam/api/account. The auth token signs webhooks, so it is sealed."""

    __tablename__ = "accounts"

    account_sid: Mapped[Sid] = mapped_column(primary_key=True)
    owner_account_sid: Mapped[Sid]
    friendly_name: Mapped[Word]
    status: Mapped[Word] = mapped_column(default="active")
    """active, suspended or closed"""
    auth_token_sealed: Mapped[str] = mapped_column(String(255))
    auth_token_hash: Mapped[Word]
    """SHA-256 in hex, to check a password without unsealing"""
    version: Mapped[int] = mapped_column(default=1)
    """rises with every change, so that the presence server ignores an older one"""
    next_call_at: Mapped[Moment] = mapped_column(default=0.0)
    """when the next call that is placed by REST may leave; callrouter.calls.outgoing"""
    date_created: Mapped[Moment]
    date_updated: Mapped[Moment]


class ApiKey(Base):
    """https://www.twilio.com/docs/iam/api-keys. Its secret signs access tokens, hence sealed as well."""

    __tablename__ = "api_keys"
    __table_args__ = (Index("uq_api_keys_sid", "sid", unique=True),)

    account_sid: Mapped[Sid] = mapped_column(primary_key=True)
    sid: Mapped[Sid] = mapped_column(primary_key=True)
    friendly_name: Mapped[Word]
    main: Mapped[bool] = mapped_column(default=False)
    """a main key may manage accounts and keys; a standard one may not"""
    secret_sealed: Mapped[str] = mapped_column(String(255))
    secret_hash: Mapped[Word]
    date_created: Mapped[Moment]
    date_updated: Mapped[Moment]

"""What the presence server said when a client was dialled, and what was made of it: ours, not Twilio's."""

from typing import Any

from sqlalchemy import BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from callrouter.models.base import Base, Moment, Sid, Word


class PresenceDecision(Base):
    """One look-up for one leg; it is kept as long as the call (PR-78, PR-79)."""

    __tablename__ = "presence_decisions"

    account_sid: Mapped[Sid] = mapped_column(primary_key=True)
    call_sid: Mapped[Sid] = mapped_column(primary_key=True)
    """the dialled leg"""
    attempt: Mapped[int] = mapped_column(primary_key=True)
    """0; 1 when all that was chosen first had gone (PR-58)"""
    at: Mapped[Moment]
    name: Mapped[str] = mapped_column(String(256))
    """the client or destination that was dialled"""
    as_of: Mapped[int | None] = mapped_column(BigInteger)
    """the presence server's sequence number; null when it did not answer"""
    snapshot: Mapped[dict[str, Any] | None]
    """its answer (presence.client.Reach)"""
    mode: Mapped[Word]
    outcome: Mapped[Word]
    """callrouter.calls.choosing.Outcome"""
    chosen_account: Mapped[Sid | None]
    chosen_client: Mapped[str | None] = mapped_column(String(256))
    presence_version: Mapped[int | None] = mapped_column(BigInteger)
    """of the chosen client"""
    waves: Mapped[list[Any]]
    """endpoint ids in groups, in the order in which they ring"""
    skipped: Mapped[list[Any]]
    """callrouter.calls.choosing.Skipped"""
    rung: Mapped[list[Any]]
    """endpoint ids that did ring, or will in their turn"""
    refused: Mapped[dict[str, Any]]
    """why the presence server rang none of those that are missing in `rung`: reasons by endpoint id"""

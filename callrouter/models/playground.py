"""What was played from the console's playground."""

from sqlalchemy.orm import Mapped, mapped_column

from callrouter.models.base import Base, Long, Moment, Sid


class PlaygroundDocument(Base):
    """A text of one or more documents (callrouter.playground.documents)."""

    __tablename__ = "playground_documents"

    account_sid: Mapped[Sid] = mapped_column(primary_key=True)
    sid: Mapped[Sid] = mapped_column(primary_key=True)
    text: Mapped[Long]
    date_created: Mapped[Moment]

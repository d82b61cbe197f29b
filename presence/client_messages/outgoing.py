"""What a client sends, as its frame or its request says it. Whether the number is its account's, the router knows."""

from dataclasses import dataclass
from typing import Any

from presence import fields

LONGEST_BODY = 1_600
LONGEST_ADDRESS = 300
LONGEST_URL = 2_000
LONGEST_ID = 64
MOST_MEDIA = 10
LONGEST_SESSION = 7 * 86_400
"""Seconds without a message after which a session ends, at most."""


@dataclass(frozen=True, kw_only=True)
class Sending:
    """`to`: a phone number, `client:NAME` or a session's SID; empty for the client's only session. `sender`: a number
    of the account; empty for the session's. `session`: seconds; answers come back to the client without asking the app
    (PR-71). `id`: the client's own name for it, so that a repeat sends nothing."""

    id: str
    to: str
    sender: str
    body: str
    media: tuple[str, ...]
    session: int

    def event(self) -> dict[str, Any]:
        """The fields of the event for the router."""
        return {
            "id": self.id,
            "to": self.to,
            "from": self.sender,
            "body": self.body,
            "media": list(self.media),
            "session": self.session,
        }


def read(payload: dict[str, Any]) -> Sending:
    """ApiError 400 names the field."""
    sending = Sending(
        id=fields.text(payload, "id", LONGEST_ID),
        to=fields.text(payload, "to", LONGEST_ADDRESS, default=""),
        sender=fields.text(payload, "from", LONGEST_ADDRESS, default=""),
        body=fields.text(payload, "body", LONGEST_BODY, default=""),
        media=tuple(fields.texts(payload, "media", MOST_MEDIA, LONGEST_URL, default=[])),
        session=fields.integer(payload, "session", 0, LONGEST_SESSION, default=0),
    )
    if not sending.body and not sending.media:
        raise fields.invalid("A message needs a body or media.")
    return sending

"""What the API asks of the messages. Their front does it; the API knows this promise only."""

from typing import Protocol

from callrouter.messages.submission import Submission


class LiveMessages(Protocol):
    """Each method blocks until the change is stored, for a few seconds at most.

    ApiError with Twilio's code when it can't be done; 503/20503 when the database does not answer.
    """

    def submit(self, submission: Submission) -> str:
        """Stores the message and its place in a queue: its SID, or that of the one with the same idempotency key."""

    def cancel(self, account_sid: str, sid: str) -> None:
        """Takes it out of its queue. 30409: it is too late."""

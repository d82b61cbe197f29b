"""Why a subscription ends or is not taken."""

from dataclasses import dataclass
from typing import Any

from presence.access.refusals import Refusal


@dataclass(frozen=True, kw_only=True)
class Ending:
    """What the subscriber is told last. `retry`: coming back with the same credentials makes sense."""

    code: int
    message: str
    retry: bool = False

    @classmethod
    def of(cls, refusal: Refusal) -> "Ending":
        return cls(code=refusal.value.rest, message=f"{refusal.value.message} ({refusal.value.signal})")

    def payload(self) -> dict[str, Any]:
        return {"code": self.code, "message": self.message, "retry": self.retry}


DRAINING = Ending(code=20503, message="this server is going away; connect again", retry=True)
UNREADABLE = Ending(code=20503, message="presence cannot be read now; connect again", retry=True)


class Ended(Exception):
    """The subscription is over; nothing more comes."""

    def __init__(self, ending: Ending) -> None:
        super().__init__(ending.message)
        self.ending = ending


class Crowded(Exception):
    """So many subscriptions are open already; the message says which bound."""

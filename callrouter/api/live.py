"""What the API asks of the calls. The engine does it; the API knows this promise only."""

from collections.abc import Callable
from typing import Literal, Protocol, TypeVar

from sqlalchemy import Connection

from callrouter.api.live_audio import LiveAudio
from callrouter.calls.outgoing import Placement
from callrouter.calls.store import OutboxRow

T = TypeVar("T")
Settlement = Callable[[Connection, str, str, float], tuple[T, list[OutboxRow]]]
"""A unit of work for a connection, an account, the router's name and the time: its result, and the outbox entries
that it wrote."""


class LiveCalls(LiveAudio, Protocol):
    """Each method blocks until the change is stored, for a few seconds at most.

    ApiError 400/21220 when the call is not live, or not in a state for it; 503/20503 when its owner can't be
    asked.
    """

    def place(self, placement: Placement) -> str:
        """Stores the call in its account's queue; its SID. ApiError 429/20429 when the queue is full."""

    def end(self, account_sid: str, call_sid: str, status: Literal["completed", "canceled"]) -> None:
        """`completed` hangs up whatever the state; `canceled` ends a call that has not been answered."""

    def replace(
        self,
        account_sid: str,
        call_sid: str,
        *,
        url: str | None,
        method: str,
        twiml: str | None,
        fallback_url: str | None,
        fallback_method: str,
    ) -> None:
        """Leaves the running document for the one at `url`, or for `twiml`: exactly one of them is given."""

    def settle(self, account_sid: str, work: Settlement[T]) -> T:
        """Changes conferences or queues of the account, and tells the calls in them."""

    def adjust(
        self,
        account_sid: str,
        call_sid: str,
        *,
        status_callback: str | None,
        status_callback_method: str | None,
        time_limit: int | None,
    ) -> None:
        """Changes what is not None; an empty `status_callback` ends the callbacks. Limit in seconds."""

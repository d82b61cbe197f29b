"""The way from Flask's threads to the gateway's event loop, with a bound on every wait."""

import asyncio
from collections.abc import Coroutine, Iterable
from concurrent.futures import CancelledError
from typing import Any, Protocol, TypeVar

from foundation.webserver.errors import ApiError
from presence.refusals import Refusal
from presence.registration import Endpoint
from presence.signalling.call import Handed
from presence.signalling.gateway import Gateway
from presence.signalling.ledger import Invite, Rung

T = TypeVar("T")

WAIT = 5.0


class Door(Protocol):
    """What the API needs of signalling."""

    def ring(self, invite: Invite) -> Rung: ...

    def cancel(self, account_sid: str, call_sid: str) -> None: ...

    def frame(self, account_sid: str, call_sid: str, frame: dict[str, Any]) -> Handed: ...

    def dropped(self, endpoints: Iterable[Endpoint]) -> None: ...

    def revoke(self, refusal: Refusal, *, account_sid: str | None, key_sid: str | None) -> None: ...


class Doorway:
    """The `Door` of a gateway that runs on another thread's loop."""

    def __init__(self, gateway: Gateway, loop: asyncio.AbstractEventLoop) -> None:
        self._gateway, self._loop = gateway, loop

    def ring(self, invite: Invite) -> Rung:
        return self._wait(self._gateway.ringing.ring(invite))

    def cancel(self, account_sid: str, call_sid: str) -> None:
        self._wait(self._gateway.ringing.cancel(account_sid, call_sid))

    def frame(self, account_sid: str, call_sid: str, frame: dict[str, Any]) -> Handed:
        return self._wait(self._gateway.frame(account_sid, call_sid, frame))

    def dropped(self, endpoints: Iterable[Endpoint]) -> None:
        if gone := tuple(endpoints):
            self._loop.call_soon_threadsafe(self._gateway.registrar.drop, gone)

    def revoke(self, refusal: Refusal, *, account_sid: str | None, key_sid: str | None) -> None:
        self._loop.call_soon_threadsafe(
            lambda: self._gateway.revoke(refusal, account_sid=account_sid, key_sid=key_sid)
        )

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        waiting = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return waiting.result(WAIT)
        except (TimeoutError, CancelledError):
            waiting.cancel()
            raise ApiError(
                503, 20503, "Signalling did not answer in time. Try again.", {"Retry-After": "1"}
            ) from None

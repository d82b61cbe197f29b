"""The way from Flask's threads to the gateway's event loop, with a bound on every wait."""

import asyncio
from collections.abc import Coroutine, Iterable, Mapping
from concurrent.futures import CancelledError
from typing import Any, Protocol, TypeVar

from foundation.webserver.errors import ApiError
from presence.client_messages.outgoing import Sending
from presence.registration import Endpoint
from presence.router_link import RouterAnswer
from presence.signalling.call import Handed
from presence.signalling.gateway import Gateway
from presence.signalling.ledger import Invite, Rung

T = TypeVar("T")

WAIT = 5.0
SEND_WAIT = 7.0
"""Seconds; longer than the router link tries."""


class Door(Protocol):
    """What the API needs of signalling."""

    @property
    def here(self) -> "Doorway":
        """The door to this node's sockets alone, for what other nodes pass on."""

    def ring(self, invite: Invite, busy: tuple[str, ...] = ()) -> Rung: ...

    def cancel(self, account_sid: str, call_sid: str) -> None: ...

    def frame(self, account_sid: str, call_sid: str, frame: dict[str, Any]) -> Handed: ...

    def renew(self, account_sid: str, call_sids: Iterable[str], now: float) -> list[str]: ...

    def dropped(self, endpoints: Iterable[Endpoint]) -> None: ...

    def text_arrived(self, account_sid: str, client: str) -> None: ...

    def text_acknowledged(self, account_sid: str, client: str, endpoint_id: str) -> None: ...

    def send_text(
        self, account_sid: str, client: str, endpoint_id: str, sending: Sending
    ) -> RouterAnswer: ...


class Doorway:
    """The door to the gateway of this node, which runs on another thread's loop."""

    def __init__(self, gateway: Gateway, loop: asyncio.AbstractEventLoop) -> None:
        self._gateway, self._loop = gateway, loop

    def ring(self, invite: Invite, busy: tuple[str, ...] = ()) -> Rung:
        return self._wait(self._gateway.ringing.ring(invite, busy))

    def cancel(self, account_sid: str, call_sid: str) -> None:
        self._wait(self._gateway.ringing.cancel(account_sid, call_sid))

    def frame(self, account_sid: str, call_sid: str, frame: dict[str, Any]) -> Handed:
        return self._wait(self._gateway.frame(account_sid, call_sid, frame))

    def renew(self, account_sid: str, call_sids: Iterable[str], now: float) -> list[str]:
        return self._gateway.ledger.renew(account_sid, call_sids, now).result(WAIT)

    def text_arrived(self, account_sid: str, client: str) -> None:
        """A message for the client is stored."""
        self._loop.call_soon_threadsafe(self._gateway.texts.arrived, account_sid, client)

    def text_acknowledged(self, account_sid: str, client: str, endpoint_id: str) -> None:
        self._loop.call_soon_threadsafe(self._gateway.texts.acknowledged, account_sid, client, endpoint_id)

    def send_text(self, account_sid: str, client: str, endpoint_id: str, sending: Sending) -> RouterAnswer:
        """The router's word on a client's message; RouterUnreachable."""
        return self._wait(self._gateway.texts.send((account_sid, client), endpoint_id, sending), SEND_WAIT)

    # What other nodes say

    def heard(self, account_sid: str, call_sid: str, state: str, out: Mapping[str, float]) -> None:
        """How an invite ended, or who fell out of it."""
        self._loop.call_soon_threadsafe(self._gateway.ringing.hear, account_sid, call_sid, state, out)

    def device_moved(self, account_sid: str, client: str, token_digest: str, agent: str) -> str:
        """Gives up the device that a connection to another node is; its endpoint id, or nothing."""

        async def hand_over() -> str:
            return self._gateway.registrar.hand_over((account_sid, client), token_digest, agent)

        return self._wait(hand_over())

    def call_moved(self, account_sid: str, call_sid: str, *, taken: bool, cancel: bool) -> bool:
        """Gives up a call whose device is at another node; whether its device has a socket here and it stays."""

        async def hand_over() -> bool:
            return self._gateway.book.hand_over(account_sid, call_sid, taken=taken, cancel=cancel)

        return self._wait(hand_over())

    def dropped(self, endpoints: Iterable[Endpoint]) -> None:
        if gone := tuple(endpoints):
            self._loop.call_soon_threadsafe(self._gateway.registrar.drop, gone)

    def _wait(self, work: Coroutine[Any, Any, T], seconds: float = WAIT) -> T:
        waiting = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return waiting.result(seconds)
        except (TimeoutError, CancelledError):
            waiting.cancel()
            raise ApiError(
                503, 20503, "Signalling did not answer in time. Try again.", {"Retry-After": "1"}
            ) from None

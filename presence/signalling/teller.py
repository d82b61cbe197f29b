"""Tells the router what clients do, with what every event carries."""

from collections.abc import Callable
from typing import Any

from foundation.clock import Clock
from presence.router_link import RouterAnswer, RouterLink


class Teller:
    """Names and dates events and hands them to the router link."""

    def __init__(self, link: RouterLink, clock: Clock, new_id: Callable[[], str]) -> None:
        self._link, self._clock, self._new_id = link, clock, new_id

    async def tell(
        self, type: str, account_sid: str, identity: str, endpoint_id: str, **further: Any
    ) -> RouterAnswer:
        """Delivers one event; RouterUnreachable when there is no definite answer in a few seconds."""
        return await self._link.deliver(
            {
                "event_id": self._new_id(),
                "type": type,
                "account_sid": account_sid,
                "identity": identity,
                "endpoint_id": endpoint_id,
                "at": self._clock().timestamp(),
                **further,
            }
        )

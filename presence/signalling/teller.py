"""Tells the router what clients do, with what every event carries."""

import asyncio
from collections.abc import Callable
from typing import Any

import structlog

from foundation.clock import Clock
from foundation.failpoints import failpoint
from presence.router_link import RouterAnswer, RouterLink, RouterUnreachable

log = structlog.get_logger(__name__)

INSISTENCE = 60.0  # seconds; a router that was killed is back by then, and else the silence ends the call
PAUSE = 1.0


class Teller:
    """Names and dates events and hands them to the router link."""

    def __init__(self, link: RouterLink, clock: Clock, new_id: Callable[[], str]) -> None:
        self._link, self._clock, self._new_id = link, clock, new_id

    async def tell(
        self, type: str, account_sid: str, identity: str, endpoint_id: str, **further: Any
    ) -> RouterAnswer:
        """Delivers one event; RouterUnreachable when there is no definite answer in a few seconds."""
        return await self._deliver(self._event(type, account_sid, identity, endpoint_id, further))

    async def insist(
        self, type: str, account_sid: str, identity: str, endpoint_id: str, **further: Any
    ) -> None:
        """Delivers that something is over: nobody waits for the answer, and the router must not miss it."""
        event = self._event(type, account_sid, identity, endpoint_id, further)
        loop = asyncio.get_running_loop()
        ends = loop.time() + INSISTENCE
        while True:
            try:
                await self._deliver(event)
                return
            except RouterUnreachable as error:
                if loop.time() > ends:
                    log.warning(
                        "the router was not told",
                        event_type=type,
                        call_sid=further["call_sid"],
                        fault=str(error),
                    )
                    return
            await asyncio.sleep(PAUSE)

    async def _deliver(self, event: dict[str, Any]) -> RouterAnswer:
        failpoint(f"{event['type']}.before")
        answer = await self._link.deliver(event)
        failpoint(f"{event['type']}.after")
        return answer

    def _event(
        self, type: str, account_sid: str, identity: str, endpoint_id: str, further: dict[str, Any]
    ) -> dict[str, Any]:
        return {
            "event_id": self._new_id(),
            "type": type,
            "account_sid": account_sid,
            "identity": identity,
            "endpoint_id": endpoint_id,
            "at": self._clock().timestamp(),
            **further,
        }

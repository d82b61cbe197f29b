"""Tells the router how messages ended, until it has heard it: `text-delivered` and `text-expired`."""

import asyncio
from collections.abc import Callable
from typing import Any

import structlog

from presence.client_messages.store import Ended, TextStore
from presence.client_messages.text import State
from presence.router_link import RouterLink, RouterUnreachable

log = structlog.get_logger(__name__)

SIDE_BY_SIDE = 8
KINDS = {State.DELIVERED: "text-delivered", State.EXPIRED: "text-expired"}


class Reports:
    """An ending is in the database until the router has answered; what fails is tried again, by whichever node."""

    def __init__(self, store: TextStore, link: RouterLink, now: Callable[[], float]) -> None:
        self._store, self._link, self._now = store, link, now
        self._room = asyncio.Semaphore(SIDE_BY_SIDE)

    async def tell(self) -> None:
        """Tells what is due; returns when nothing more is."""
        while await asyncio.to_thread(self._store.due, self._now()):
            due = await asyncio.wrap_future(self._store.claim(self._now()))
            if not due:  # another node has them
                return
            heard = await asyncio.gather(*map(self._tell, due))
            done = [one for one, good in zip(due, heard, strict=True) if good]
            left = [one for one, good in zip(due, heard, strict=True) if not good]
            await asyncio.wrap_future(self._store.reported(done, left, self._now()))

    async def _tell(self, one: Ended) -> bool:
        async with self._room:
            try:
                answer = await self._link.deliver(_event(one))
            except RouterUnreachable as error:
                log.warning("the router was not told of a message's end", sid=one.sid, fault=str(error))
                return False
        if not answer.ok:
            log.warning("the router refused to hear of a message's end", sid=one.sid, answer=answer.body)
        return True


def _event(one: Ended) -> dict[str, Any]:
    return {
        "event_id": f"{one.sid}.{one.state}",
        "type": KINDS[one.state],
        "account_sid": one.account_sid,
        "identity": one.client,
        "endpoint_id": one.endpoint_id,
        "at": one.at,
        "message_sid": one.sid,
    }

"""Devices and calls that come here from another node, because their client's next socket did.

The other node is asked first, for it alone knows whether the old socket is gone. If it can't be reached its rows are
taken over: a device that shows the same token, and a call with its reconnect token, are what they say they are.
"""

import asyncio
from urllib.parse import quote

import structlog
from sqlalchemy.exc import SQLAlchemyError

from foundation.clock import Clock
from presence.access.tokens import Grant
from presence.neighbours import Neighbours, Unreachable
from presence.signalling.holdings import Holdings, Place
from presence.signalling.ledger import BoundCall, Ledger

log = structlog.get_logger(__name__)

SECONDS = 4.0
ASK_SECONDS = 1.5


class Moves:
    """Asks other nodes for what is theirs until now."""

    def __init__(self, holdings: Holdings, ledger: Ledger, neighbours: Neighbours, clock: Clock) -> None:
        self._holdings, self._ledger, self._clock = holdings, ledger, clock
        self._neighbours, self._nodes = neighbours, neighbours.nodes

    async def device(self, grant: Grant, agent: str) -> str:
        """The endpoint that this new connection was at another node a moment ago; empty when it was none."""
        if not self._nodes.shared:
            return ""
        try:
            async with asyncio.timeout(SECONDS):
                places = await asyncio.to_thread(
                    self._holdings.places, grant.account_sid, grant.identity, self._clock().timestamp()
                )
                elsewhere = [place for place in places if place.node not in ("", self._nodes.name)]
                elsewhere.sort(key=lambda place: place.token_digest != grant.token_digest)
                for node in dict.fromkeys(place.node for place in elsewhere):
                    theirs = [place for place in elsewhere if place.node == node]
                    if found := await self._hand_over(node, grant, agent, theirs):
                        return found
        except (SQLAlchemyError, TimeoutError) as error:
            log.warning("it was not found out whether a device came from another node", error=str(error))
        return ""

    async def call(self, grant: Grant, call_sid: str) -> tuple[BoundCall | None, str]:
        """A call of this client that is not known here, and the node whose device still has it.

        Without such a node the call is this node's from now on, and waits for its device.
        """
        if not self._nodes.shared:
            return None, ""
        try:
            async with asyncio.timeout(SECONDS):
                found = await asyncio.to_thread(self._ledger.call, grant.account_sid, call_sid)
                if found is None or found[0].client != grant.identity:
                    return None, ""
                call, node = found
                if node != self._nodes.name and await self._is_there(node, call):
                    return call, node
                taken = await asyncio.wrap_future(self._ledger.take(call))
                return (call if taken else None), ""
        except (SQLAlchemyError, TimeoutError) as error:
            log.warning("a call of another node was not found", call_sid=call_sid, error=str(error))
            return None, ""

    def took(self, node: str, call: BoundCall, *, cancel: bool) -> None:
        """The call's device is here now; `cancel`: what its old device shows must end."""
        body = {"taken": True, "cancel": cancel}
        self._neighbours.tell(
            [node], "POST", f"/Accounts/{call.account_sid}/Calls/{call.call_sid}/moves", body
        )

    async def _hand_over(self, node: str, grant: Grant, agent: str, theirs: list[Place]) -> str:
        path = f"/Accounts/{grant.account_sid}/Clients/{quote(grant.identity, safe='')}/moves"
        body = {"token_digest": grant.token_digest, "agent": agent}
        try:
            async with asyncio.timeout(ASK_SECONDS):
                said = await asyncio.wrap_future(self._neighbours.ask(node, "POST", path, body))
        except (Unreachable, TimeoutError):
            same = (one.endpoint_id for one in theirs if one.token_digest == grant.token_digest)
            return next(same, "")
        return str(said.body.get("endpoint_id") or "")

    async def _is_there(self, node: str, call: BoundCall) -> bool:
        """Whether the call's device has its socket at that node; if not, the node has forgotten the call."""
        path = f"/Accounts/{call.account_sid}/Calls/{call.call_sid}/moves"
        try:
            async with asyncio.timeout(ASK_SECONDS):
                said = await asyncio.wrap_future(self._neighbours.ask(node, "POST", path, {"taken": False}))
        except (Unreachable, TimeoutError):
            return False
        return said.body.get("there") is True

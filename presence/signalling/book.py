"""The calls of a node that belong to clients: in memory, in the database, and while they wait for their device.

A socket may go away and come back without the audio noticing (voice-sdk-protocol 6). So a call outlives its socket for
a grace, and a device that comes to another node finds its call there (`moves`).
"""

import asyncio
from collections.abc import Iterable, Iterator
from concurrent.futures import Future

import structlog
from sqlalchemy.exc import OperationalError

from foundation.clock import Clock
from foundation.db import DatabaseOverloaded
from foundation.failpoints import failpoint
from presence.registration import Endpoint
from presence.signalling import frames
from presence.signalling.call import Call
from presence.signalling.lanes import Lanes
from presence.signalling.ledger import BoundCall, Ledger, report
from presence.signalling.socket import Socket
from presence.signalling.teller import Teller

log = structlog.get_logger(__name__)

STORE_SECONDS = 2.0


class Book:
    """All calls of this node that belong to a client."""

    def __init__(self, ledger: Ledger, lanes: Lanes, teller: Teller, clock: Clock, grace: float) -> None:
        self._ledger, self._lanes, self._teller, self._clock = ledger, lanes, teller, clock
        self._grace = grace
        self._calls: dict[tuple[str, str], Call] = {}
        self._temporary: dict[tuple[str, str, str], Call] = {}
        self._away: set[Call] = set()

    def __len__(self) -> int:
        return len(self._calls)

    def get(self, account_sid: str, call_sid: str) -> Call | None:
        return self._calls.get((account_sid, call_sid))

    def has(self, account_sid: str, call_sid: str) -> bool:
        """Whether the call is one of this node's; safe to ask from any thread."""
        return (account_sid, call_sid) in self._calls

    def find(self, socket: Socket, call_sid: str, *, bound: bool = False) -> Call | None:
        """The call of this identity by its SID or its temporary one; `bound`: only if it is this socket's."""
        grant = socket.grant
        call = self._calls.get((grant.account_sid, call_sid)) or self._temporary.get(
            (grant.account_sid, grant.identity, call_sid)
        )
        if call is None or call.client != grant.identity or (bound and call.socket is not socket):
            return None
        return call

    def dialling(self, call: Call) -> bool:
        """Whether the outgoing call of that temporary SID is in the book already."""
        return (call.account_sid, call.client, call.temporary_sid) in self._temporary

    def dial(self, call: Call) -> None:
        """An outgoing call that has no SID yet."""
        self._temporary[call.account_sid, call.client, call.temporary_sid] = call

    def nameless(self, account_sid: str) -> Iterator[Call]:
        """The account's outgoing calls whose SID is not known here yet."""
        return (
            call
            for call in self._temporary.values()
            if call.account_sid == account_sid and not self.has(account_sid, call.call_sid)
        )

    async def bind(self, socket: Socket, call_sid: str, ufrag: str, *, incoming: bool) -> Call:
        """The call belongs to this socket's device from now on; stored before anybody acts on it."""
        grant = socket.grant
        call = self._calls.get((grant.account_sid, call_sid)) or Call(
            account_sid=grant.account_sid,
            client=grant.identity,
            endpoint_id=socket.endpoint_id,
            incoming=incoming,
            lane=call_sid,
            call_sid=call_sid,
        )
        call.ufrag, call.endpoint_id = ufrag, socket.endpoint_id
        await self.keep(call)
        self._attach(call, socket)
        return call

    def waiting_for(self, endpoint: Endpoint) -> bool:
        """Whether a call of this endpoint, which is away, waits for it."""
        whose = (endpoint.account_sid, endpoint.client, endpoint.endpoint_id)
        return any(call.whose == whose for call in self._away)

    def restore(self, calls: Iterable[BoundCall]) -> None:
        """Calls from before our start, or of a dead node: their devices have the grace to come back."""
        for bound in calls:
            if not self.has(bound.account_sid, bound.call_sid):
                self.expect(bound)

    def hand_over(self, account_sid: str, call_sid: str, *, taken: bool, cancel: bool) -> bool:
        """The call's device is at another node, or asks there: whether its socket is here and the call stays.

        `taken`: the router knows that it is there, so it goes; `cancel`: with word to the device that it left.
        """
        call = self._calls.get((account_sid, call_sid))
        if call is None:
            return False
        if not taken and call.socket is not None:
            return True
        if cancel:
            call.send(frames.cancel(call_sid))
        self.drop(call)
        return False

    def stored(self) -> list[Call]:
        """Those that the database has as this node's."""
        return [call for call in self._calls.values() if call.stored]

    def agree(self, before: list[Call], rows: set[tuple[str, str]]) -> None:
        """Of the calls that were stored before `rows` were read, those without one are another node's, or over."""
        for call in before:
            if call.stored and not call.over and (call.account_sid, call.call_sid) not in rows:
                self.drop(call)

    def forget_all(self) -> None:
        """What was here is another node's."""
        for call in [*self._calls.values(), *self._temporary.values()]:
            self.drop(call)

    def lost(self, socket: Socket) -> None:
        """The socket is gone; its calls wait for the device."""
        for call in list(socket.calls):
            socket.calls.discard(call)
            call.socket = None
            self._wait_for(call, max(self._grace, socket.grace))

    def expect(self, bound: BoundCall) -> Call:
        """A call that is this node's now, and whose device is not here yet."""
        call = Call(**vars(bound), lane=bound.call_sid, stored=True)
        self._calls[call.account_sid, call.call_sid] = call
        self._wait_for(call, self._grace)
        return call

    async def keep(self, call: Call) -> None:
        bound = BoundCall(
            account_sid=call.account_sid,
            call_sid=call.call_sid,
            client=call.client,
            endpoint_id=call.endpoint_id,
            incoming=call.incoming,
            ufrag=call.ufrag,
        )
        failpoint("bound.before-commit")
        try:
            async with asyncio.timeout(STORE_SECONDS):
                await asyncio.wrap_future(self._ledger.bind(bound, self._clock().timestamp()))
            call.stored = True
        except (DatabaseOverloaded, OperationalError, TimeoutError) as error:
            # The call itself is well; only after our restart would its device have to negotiate anew.
            log.error("a call's owner was not stored", call_sid=call.call_sid, error=str(error))
        failpoint("bound.after-commit")
        self._calls[call.account_sid, call.call_sid] = call

    def forget(self, call: Call) -> None:
        """The call is over."""
        self.drop(call)
        if call.call_sid:
            try:
                self._unbind(call).add_done_callback(report)
            except DatabaseOverloaded as error:
                log.error("a call's end was not stored", call_sid=call.call_sid, error=str(error))

    def drop(self, call: Call) -> None:
        """It is over, or another node's: this one knows nothing of it any more."""
        call.over = True
        self._stop_waiting(call)
        if call.socket is not None:
            call.socket.calls.discard(call)
        if call.call_sid and self._calls.get((call.account_sid, call.call_sid)) is call:
            del self._calls[call.account_sid, call.call_sid]
        self._temporary.pop((call.account_sid, call.client, call.temporary_sid), None)

    def _attach(self, call: Call, socket: Socket) -> None:
        if call.socket is not None:
            call.socket.calls.discard(call)
        self._stop_waiting(call)
        call.socket = socket if socket.open else None
        if call.socket is None:
            self._wait_for(call, self._grace)
        else:
            socket.calls.add(call)

    def _wait_for(self, call: Call, seconds: float) -> None:
        if call.grace is None and not call.over:
            self._away.add(call)
            call.grace = asyncio.get_running_loop().call_later(seconds, self._give_up, call)

    def _stop_waiting(self, call: Call) -> None:
        self._away.discard(call)
        if call.grace is not None:
            call.grace.cancel()
            call.grace = None

    def _give_up(self, call: Call) -> None:
        self._lanes.put(call.lane, lambda: self._detach(call))

    async def _detach(self, call: Call) -> None:
        if call.over or call.socket is not None:
            return
        self.drop(call)
        if not call.call_sid:
            return
        try:
            async with asyncio.timeout(STORE_SECONDS):
                ours = await asyncio.wrap_future(self._unbind(call))
        except (DatabaseOverloaded, OperationalError, TimeoutError) as error:
            log.error("a call's end was not stored", call_sid=call.call_sid, error=str(error))
            ours = True
        if ours:
            await self._teller.insist("detached", *call.whose, call_sid=call.call_sid)

    def _unbind(self, call: Call) -> "Future[bool]":
        return self._ledger.unbind(call.account_sid, call.call_sid, self._clock().timestamp())

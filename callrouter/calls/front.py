"""The engine as Flask's threads see it: ask the event loop, wait for the commit, answer."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import TimeoutError as TookTooLong
from typing import Any, TypeVar

from sqlalchemy import Connection, func, select

from callrouter.calls import happenings as h
from callrouter.calls import outgoing
from callrouter.calls.engine import Engine, Receipt
from callrouter.calls.outgoing import Placement
from callrouter.calls.routing import Target
from callrouter.calls.session import CallSession, Leg
from callrouter.calls.status import Status
from callrouter.calls.store import OutboxRow
from callrouter.conferences.meeting import HeldElsewhere
from callrouter.models import Call, Session
from foundation.db import Database
from foundation.webserver.errors import ApiError

T = TypeVar("T")

PATIENCE = 10.0
"""Seconds that a request waits for its commit; then 503, and its sender tries again."""
NOT_LIVE = 21220
STOPPING_RETRY = "2"
"""Seconds, as a header: by then a balancer has turned to another router, or this one has been started again."""


class Front:
    """Thread-safe; its waits are bounded."""

    def __init__(
        self,
        engine: Engine,
        database: Database,
        loop: asyncio.AbstractEventLoop,
        *,
        calls_per_second: float = 1.0,
    ) -> None:
        """`calls_per_second`: how many calls an account may place by REST."""
        self.stopping = False
        """set when this process ends soon: calls go on, new ones are refused"""
        self._engine = engine
        self._database = database
        self._loop = loop
        self._calls_per_second = calls_per_second

    def wait(self, work: Coroutine[Any, Any, T], busy: str = "The router is busy; try again.") -> T:
        """Runs a coroutine on the event loop and waits for its result.

        After PATIENCE the caller gets a 503, but the work goes on: what it stores must also get its effects, and
        the caller's next try finds it by its receipt.
        """
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(PATIENCE)
        except TookTooLong as error:
            if future.done():
                raise  # the work's own time-out
            raise ApiError(503, 20503, busy, {"Retry-After": "1"}) from error

    def create(self, session: CallSession, receipt: Receipt, target: Target) -> str:
        """Stores a new call; answers the sid that this receipt's first delivery got."""
        self._refuse_when_stopping()
        return self.wait(
            self._engine.create(
                session,
                receipt,
                phone_number_sid=target.phone_number_sid,
                application_sid=target.application_sid,
                caller_name=session.webhook_parameters.get("CallerName"),
            )
        )

    def happen(
        self, call_sid: str, happening: h.Happening, receipt: Receipt | None = None
    ) -> CallSession | None:
        if self._engine.session(call_sid) is None:
            self._leave_to_owner(call_sid)
        return self.wait(self._engine.happen(call_sid, happening, receipt))

    def live(self, account_sid: str, call_sid: str) -> CallSession | None:
        """The live session of that account's leg."""
        session = self._engine.session(call_sid)
        if session is None:
            self._leave_to_owner(call_sid)
        if session is None or session.account_sid != account_sid:
            return None
        leg = session.leg_of(call_sid)
        return session if leg and leg.live else None

    def client_leg(self, account_sid: str, call_sid: str, identity: str) -> Leg | None:
        """The live leg that is this client's, whosever call it is (PR-61)."""
        session = self._engine.session(call_sid)
        if session is None:
            self._leave_to_owner(call_sid)
        leg = session.leg_of(call_sid) if session else None
        if session is None or leg is None or not leg.live:
            return None
        whose = (leg.client_account or session.account_sid, leg.identity)
        return leg if whose == (account_sid, identity) else None

    # -- what REST may do (callrouter.api.live.LiveCalls)

    def place(self, placement: Placement) -> str:
        """Stores a call in its account's queue; 429 when that is full."""
        self._refuse_when_stopping()
        busy = "The router did not answer in time; look in the list of calls whether the call was placed."
        return self.wait(self._place(placement), busy)

    async def _place(self, placement: Placement) -> str:
        now, rate = self._engine.now(), self._calls_per_second
        due_at = await self._database.commit(
            lambda connection: outgoing.take_turn(connection, placement.account_sid, now, rate),
            placement.account_sid,
        )
        if due_at is None:
            raise ApiError(
                429, 20429, "The account's queue of calls is full: it holds a day's worth of them."
            )
        session = outgoing.outgoing_call(placement, due_at)
        return await self._engine.create(
            session,
            Receipt(source="rest", event_id=session.call_sid),
            phone_number_sid=placement.phone_number_sid,
            application_sid=placement.application_sid,
            caller_name=None,
        )

    def end(self, account_sid: str, call_sid: str, status: str) -> None:
        leg = self._live_leg(account_sid, call_sid)
        wanted = Status(status)
        if wanted is Status.CANCELED and leg.answered:
            raise ApiError(400, NOT_LIVE, "Call is in progress: it can be completed, not canceled.")
        self.happen(call_sid, h.EndRequested(at=self._engine.now(), leg=leg.name, status=wanted))

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
        leg = self._live_leg(account_sid, call_sid)
        if leg.outbound and not leg.answered:
            raise ApiError(400, NOT_LIVE, "Call is not in-progress. Cannot redirect.")
        request = h.ReplaceRequested(
            at=self._engine.now(),
            leg=leg.name,
            url=url,
            method=method,
            twiml=twiml,
            fallback_url=fallback_url,
            fallback_method=fallback_method,
        )
        self.happen(call_sid, request)

    def adjust(
        self,
        account_sid: str,
        call_sid: str,
        *,
        status_callback: str | None,
        status_callback_method: str | None,
        time_limit: int | None,
    ) -> None:
        leg = self._live_leg(account_sid, call_sid)
        request = h.Adjusted(
            at=self._engine.now(),
            leg=leg.name,
            status_callback=status_callback,
            status_callback_method=status_callback_method,
            time_limit=time_limit,
        )
        self.happen(call_sid, request)

    def settle(
        self,
        account_sid: str,
        work: Callable[[Connection, str, str, float], tuple[T, list[OutboxRow]]],
    ) -> T:
        """Stores what REST does to conferences and queues; the calls in them are told at once."""
        try:
            return self.wait(self._settle(account_sid, work))
        except HeldElsewhere as error:
            raise ApiError(
                503, 20503, f"Not here: {error}; try again there.", {"Retry-After": "1"}
            ) from error

    async def _settle(
        self,
        account_sid: str,
        work: Callable[[Connection, str, str, float], tuple[T, list[OutboxRow]]],
    ) -> T:
        owner, now = self._engine.owner, self._engine.now()
        result, rows = await self._database.commit(
            lambda connection: work(connection, account_sid, owner, now), account_sid
        )
        self._engine.carry_out(rows)
        return result

    def _refuse_when_stopping(self) -> None:
        if self.stopping:
            reason = "This router is stopping; place the call again, it goes to another one or to the next."
            raise ApiError(503, 20503, reason, {"Retry-After": STOPPING_RETRY})

    def _leave_to_owner(self, call_sid: str) -> None:
        """A call that another router owns is not ours to change: its sender must try again, there or later (I3)."""
        parent = (
            select(func.coalesce(Call.parent_call_sid, Call.sid))
            .where(Call.sid == call_sid)
            .scalar_subquery()
        )
        with self._database.read() as connection:
            owner = connection.execute(select(Session.owner).where(Session.call_sid == parent)).scalar()
        if owner is not None and owner != self._engine.owner:
            raise ApiError(
                503, 20503, f"The call is at router {owner!r}; try again there.", {"Retry-After": "1"}
            )

    def _live_leg(self, account_sid: str, call_sid: str) -> Any:
        session = self.live(account_sid, call_sid)
        if session is None:
            raise ApiError(400, NOT_LIVE, "Call is not in-progress. Cannot redirect.")
        return session.leg_of(call_sid)

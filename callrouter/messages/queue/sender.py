"""Empties the queue of one carrier: claims what may leave now, gives it to the transport, stores what came of it.

A crash between the claim and the settlement (OM4 to OM8) leaves the message `sending` under a lease that ends; whoever
takes it then marks it `possible_duplicate` and says so to the carrier, which knows it by its SID (PQ-4).
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from callrouter.calls.store import OutboxRow
from callrouter.messages.host import Host
from callrouter.messages.queue import entering, health
from callrouter.messages.queue.claims import QUEUE, SUSPENDED, Claim, Claimed, claim, freed
from callrouter.messages.queue.settling import HandOff, Settling
from callrouter.messages.transport import NotNow, Refused, Taken, Transport, Unavailable
from foundation.db import Database, DatabaseOverloaded
from foundation.failpoints import failpoint
from foundation.landing import landed

log = structlog.get_logger(__name__)

SEND_SECONDS = 30.0
"""The longest that a hand-off may last; well within the lease."""
TRIES = 8
"""Of a message on which our own code fails each time (F43)."""
STOP_SECONDS = 8.0
"""For hand-overs under way, when this process stops; within the time that a supervisor gives it."""
LONGEST_WAIT = 1.0
"""Seconds between two looks at a carrier that is to get nothing for a while."""
SHORTEST_RETRY, LONGEST_RETRY = 0.5, 60.0
UNKNOWN_ERROR = 30008

Unit = Callable[[Connection], list[OutboxRow]]


@dataclass(frozen=True, kw_only=True)
class Desk:
    """What the senders of all carriers share. `taken` counts what carriers took since the last measurement."""

    host: Host
    database: Database
    settling: Settling
    media_base: str
    taken: Counter[str]


class Sender:
    """Of one carrier's queue, in one process. Belongs to the event loop."""

    def __init__(self, carrier: str, transport: Transport, desk: Desk) -> None:
        self._carrier, self._transport, self._desk = carrier, transport, desk
        self._woken, self._stopping = asyncio.Event(), asyncio.Event()
        self._troubled = False
        self._crashes = Counter[str]()
        self._under_way: set[asyncio.Task[None]] = set()
        self._task = asyncio.get_running_loop().create_task(self._run())

    def wake(self) -> None:
        """There may be something to send."""
        self._woken.set()

    async def stop(self) -> None:
        """Nothing new is given out; what is under way may end for STOP_SECONDS, so that nothing is in doubt after an
        orderly stop. The rest is given up, and free for any process."""
        self._stopping.set()
        self._woken.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                await asyncio.wait([self._task])  # a claim that is being made may still give out some
                while self._under_way:
                    await asyncio.wait(self._under_way)
        tasks = [self._task, *self._under_way]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        mine = (QUEUE.c.carrier == self._carrier, QUEUE.c.lease_owner == self._desk.settling.lease)
        with suppress(DBAPIError, DatabaseOverloaded):  # then their leases end
            await self._desk.database.commit(lambda c: freed(c, *mine), f" carrier {self._carrier}")

    # -- inside

    async def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                again_at = await self._give_out()
            except (DBAPIError, DatabaseOverloaded) as error:
                log.warning("waiting for the database", carrier=self._carrier, error=str(error))
                again_at = self._desk.host.now() + 1.0
            except Exception:
                log.exception("a claim failed; the next one follows", carrier=self._carrier)
                again_at = self._desk.host.now() + 1.0
            await self._wait(again_at)

    async def _give_out(self) -> float | None:
        """One claim: when the next one is worth it; None when that depends on what happens."""
        now = self._desk.host.now()
        found = await self._desk.database.commit(partial(self._claim, now=now), f" carrier {self._carrier}")
        failpoint("OM4")
        self._troubled = self._troubled or found.troubled
        for each in found.messages:
            self._keep(self._deliver(each))
        for account_sid, sid in found.suspended:
            await self._drop(account_sid, sid)
        return found.again_at

    def _claim(self, connection: Connection, *, now: float) -> Claim:
        desk = self._desk
        return claim(
            connection, self._carrier, lease=desk.settling.lease, now=now, media_base=desk.media_base
        )

    async def _wait(self, again_at: float | None) -> None:
        """Until there is something to do, and not before `again_at`, which is the carrier's pause; but not so long that
        a pause that the operator made shorter is not seen."""
        if again_at is None:
            await self._woken.wait()  # the poll of `senders` bounds it
        else:
            await self._pass(min(LONGEST_WAIT, again_at - self._desk.host.now()))
        self._woken.clear()

    async def _pass(self, seconds: float) -> None:
        """Lets so many seconds pass, or less when this process stops."""
        if seconds > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._stopping.wait()

    async def _deliver(self, claimed: Claimed) -> None:
        """Hands one message over and settles it, whatever happens."""
        await self._pass(claimed.leave_at - self._desk.host.now())
        if self._stopping.is_set():
            await self._persist(self._back(claimed, 0.0, maybe_taken=False), claimed)
            return
        unit, worked = await self._hand_over(claimed)
        rows = await (self._taken(unit) if isinstance(unit, HandOff) else self._persist(unit, claimed))
        failpoint("OM8")
        self._desk.host.carry_out(rows)
        if worked is not None:
            await self._note(worked)

    async def _hand_over(self, claimed: Claimed) -> tuple[Unit | HandOff, bool | None]:
        """How it is to be settled, and whether the carrier works; None says nothing about that."""
        now = self._desk.host.now
        retry = min(LONGEST_RETRY, SHORTEST_RETRY * 2.0 ** min(16, claimed.tries - 1))
        try:
            taken = await self._sent(claimed)
        except NotNow as pause:
            await self._pause(pause.seconds)
            return self._back(claimed, 0.0, maybe_taken=False), True
        except Unavailable as fault:
            log.warning("not handed over", sid=claimed.sid, carrier=self._carrier, reason=str(fault))
            return self._back(claimed, retry, maybe_taken=fault.maybe_taken), False
        except Refused as refusal:
            log.info("refused", sid=claimed.sid, carrier=self._carrier, reason=str(refusal))
            return self._refused(claimed, refusal.code, elsewhere=refusal.elsewhere), True
        except Exception:
            log.exception("a transport failed", sid=claimed.sid, carrier=self._carrier)
            self._crashes[claimed.sid] += 1
            if self._crashes[claimed.sid] < TRIES:
                return self._back(claimed, retry, maybe_taken=True), None
            del self._crashes[claimed.sid]
            return self._refused(claimed, UNKNOWN_ERROR, elsewhere=False), None
        self._desk.taken[self._carrier] += 1
        self._crashes.pop(claimed.sid, None)
        return HandOff(claimed=claimed, status=taken.status, at=now()), True

    def _back(self, claimed: Claimed, seconds: float, *, maybe_taken: bool) -> Unit:
        now = self._desk.host.now()
        put_back = self._desk.settling.put_back
        return partial(put_back, claimed=claimed, due_at=now + seconds, now=now, maybe_taken=maybe_taken)

    def _refused(self, claimed: Claimed, code: int, *, elsewhere: bool) -> Unit:
        now, refused = self._desk.host.now(), self._desk.settling.refused
        return partial(refused, claimed=claimed, code=code, now=now, elsewhere=elsewhere)

    async def _taken(self, hand_off: HandOff) -> list[OutboxRow]:
        """Stored together with others of this moment; when the database does not work, as long as it takes."""
        desk, account_sid = self._desk, hand_off.claimed.account_sid
        try:
            return await landed(desk.database.gather(desk.settling.taken, hand_off, account_sid))
        except (DBAPIError, DatabaseOverloaded):
            return await self._persist(lambda c: desk.settling.taken(c, [hand_off])[0], hand_off.claimed)

    async def _persist(self, unit: Unit, claimed: Claimed) -> list[OutboxRow]:
        rows: list[OutboxRow] = await self._desk.host.persist(unit, claimed.account_sid)
        return rows

    async def _sent(self, claimed: Claimed) -> Taken:
        try:
            async with asyncio.timeout(SEND_SECONDS):
                return await self._transport.send(self._carrier, claimed.outgoing)
        except TimeoutError as error:
            raise Unavailable(f"no answer in {SEND_SECONDS:g} s", maybe_taken=True) from error

    async def _note(self, worked: bool) -> None:
        """Tells the breaker, unless it knows."""
        if worked and not self._troubled:
            return
        now = self._desk.host.now()
        breaker = await self._on_health(partial(health.note, carrier=self._carrier, worked=worked, now=now))
        self._troubled = breaker.failures > 0

    async def _pause(self, seconds: float) -> None:
        now = self._desk.host.now()
        await self._on_health(partial(health.pause, carrier=self._carrier, seconds=seconds, now=now))

    async def _on_health(self, unit: Callable[[Connection], Any]) -> Any:
        return await self._desk.host.persist(unit, f" carrier {self._carrier}")

    async def _drop(self, account_sid: str, sid: str) -> None:
        """Its account was suspended or closed while it waited."""
        now, owner = self._desk.host.now(), self._desk.settling.owner

        def unit(connection: Connection) -> list[OutboxRow]:
            row = entering.waiting(connection, sid)
            return entering.fail(connection, row, SUSPENDED, now, owner=owner) if row else []

        self._desk.host.carry_out(await self._desk.host.persist(unit, account_sid))

    def _keep(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._settled)

    def _settled(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if not task.cancelled() and task.exception():
            log.error("a hand-off could not be settled; its lease will end", exc_info=task.exception())
        self.wake()

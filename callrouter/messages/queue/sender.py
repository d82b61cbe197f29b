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
from callrouter.messages.queue.settling import Settling
from callrouter.messages.transport import NotNow, Refused, Taken, Transport, Unavailable
from foundation.db import Database, DatabaseOverloaded
from foundation.failpoints import failpoint

log = structlog.get_logger(__name__)

SEND_SECONDS = 30.0
"""The longest that a hand-off may last; well within the lease."""
TRIES = 8
"""Of a message on which our own code fails each time (F43)."""
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
        self._woken = asyncio.Event()
        self._troubled = False
        self._under_way: set[asyncio.Task[None]] = set()
        self._task = asyncio.get_running_loop().create_task(self._run())

    def wake(self) -> None:
        """There may be something to send."""
        self._woken.set()

    async def stop(self) -> None:
        """What is under way is given up, and free for any process after that."""
        tasks = [self._task, *self._under_way]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        mine = (QUEUE.c.carrier == self._carrier, QUEUE.c.lease_owner == self._desk.settling.lease)
        with suppress(DBAPIError, DatabaseOverloaded):  # then their leases end
            await self._desk.database.commit(lambda c: freed(c, *mine), f" carrier {self._carrier}")

    # -- inside

    async def _run(self) -> None:
        while True:
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
        """Until there is something to do, and not before `again_at`, which is the carrier's pause."""
        if again_at is None:
            await self._woken.wait()  # the poll of `senders` bounds it
        else:
            await asyncio.sleep(max(0.0, again_at - self._desk.host.now()))
        self._woken.clear()

    async def _deliver(self, claimed: Claimed) -> None:
        """Hands one message over and settles it, whatever happens."""
        await asyncio.sleep(max(0.0, claimed.leave_at - self._desk.host.now()))
        unit, worked = await self._hand_over(claimed)
        rows = await self._desk.host.persist(unit, claimed.account_sid)
        failpoint("OM8")
        self._desk.host.carry_out(rows)
        if worked is not None:
            await self._note(worked)

    async def _hand_over(self, claimed: Claimed) -> tuple[Unit, bool | None]:
        """How it is to be settled, and whether the carrier works; None says nothing about that."""
        settling, now = self._desk.settling, self._desk.host.now
        retry = min(LONGEST_RETRY, SHORTEST_RETRY * 2.0 ** min(16, claimed.tries - 1))
        try:
            taken = await self._sent(claimed)
        except NotNow as pause:
            await self._pause(pause.seconds)
            back = partial(settling.put_back, claimed=claimed, due_at=now(), now=now(), maybe_taken=False)
            return back, True
        except Unavailable as fault:
            log.warning("not handed over", sid=claimed.sid, carrier=self._carrier, reason=str(fault))
            back = partial(
                settling.put_back,
                claimed=claimed,
                due_at=now() + retry,
                now=now(),
                maybe_taken=fault.maybe_taken,
            )
            return back, False
        except Refused as refusal:
            log.info("refused", sid=claimed.sid, carrier=self._carrier, reason=str(refusal))
            refused = partial(
                settling.refused,
                claimed=claimed,
                code=refusal.code,
                now=now(),
                elsewhere=refusal.elsewhere,
            )
            return refused, True
        except Exception:
            log.exception("a transport failed", sid=claimed.sid, carrier=self._carrier)
            if claimed.tries >= TRIES:
                return partial(
                    settling.refused, claimed=claimed, code=UNKNOWN_ERROR, now=now(), elsewhere=False
                ), None
            return partial(
                settling.put_back, claimed=claimed, due_at=now() + retry, now=now(), maybe_taken=True
            ), None
        self._desk.taken[self._carrier] += 1
        return partial(settling.taken, claimed=claimed, status=taken.status, now=now()), True

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

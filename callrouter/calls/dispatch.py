"""Carries out what was committed: outbox entries, lane by lane, until each is done.

A lane is a queue of entries that must keep their order, such as the commands of one leg; lanes do not wait for
each other. An executor does the network's part and answers with what happened, or None; it may be run again after
a crash, so everything that it sends carries the entry's id as idempotency key.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, Protocol

import structlog
from sqlalchemy import Connection, select, update
from sqlalchemy.exc import DBAPIError

from callrouter.calls.engine import Also, Engine
from callrouter.calls.happenings import DocumentMissing, Gone, Happening
from callrouter.calls.status import Cause
from callrouter.calls.store import OutboxRow, Overtaken
from callrouter.metrics.calls import DROPPED
from callrouter.models import Outbox
from foundation.db import Database
from foundation.failpoints import failpoint

log = structlog.get_logger(__name__)

CRASHES = 5
"""Tries of an entry whose executor raises what it should not: then it is dropped, loudly (F43)."""
DISPENSABLE = (
    *("ring", "ringback", "press", "stop", "echo", "listen.stop", "stream.stop", "stream.press"),
    *("record.stop", "record.pause", "record.resume"),
    *("conference.report", "room.update", "room.leave", "queue.press", "text"),
)
"""Kinds without which a call can go on."""
PLATFORM_FAULT = 12400
CLAIM_SECONDS = 0.5
CLAIM_BATCH = 100


class Later(Exception):
    """Not now: try again after so many seconds; `aside` lets the rest of the lane go on meanwhile."""

    def __init__(self, seconds: float, *, aside: bool = False, also: Also | None = None) -> None:
        super().__init__(f"again in {seconds} s")
        self.seconds, self.aside, self.also = seconds, aside, also


class Done:
    """An entry was carried out: what came of it, and what else belongs into the same transaction.

    `then`: committed entries that go out once the call knows of this one.
    """

    def __init__(
        self,
        happening: Happening | None = None,
        also: Also | None = None,
        then: Sequence[OutboxRow] = (),
    ) -> None:
        self.happening, self.also, self.then = happening, also, then


Executor = Callable[[OutboxRow], Awaitable[Done]]


class Abandon(Protocol):
    def __call__(self, connection: Connection, row: OutboxRow, now: float) -> None: ...


class Dispatcher:
    """Runs the lanes of one router process."""

    def __init__(
        self,
        engine: Engine,
        database: Database,
        executors: Mapping[str, Executor],
        abandon: Mapping[str, Abandon] = MappingProxyType({}),
    ) -> None:
        """`abandon`, by kind: what is stored when an entry that is no call's can't be carried out."""
        self._engine = engine
        self._database = database
        self._executors = executors
        self._abandon = abandon
        self._lanes: dict[str, deque[OutboxRow]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def submit(self, rows: Sequence[OutboxRow]) -> None:
        """Takes committed entries; they go out at once, behind what their lanes still hold."""
        for row in rows:
            delay = row["due_at"] - self._engine.now()
            if row["attempts"] and delay > 0:
                self._aside(row, delay)
            else:
                self._enqueue(row["lane"], row)

    def start(self) -> None:
        self._keep(self._claim())

    async def stop(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def waiting(self) -> int:
        """Entries that are not done yet."""
        return sum(map(len, self._lanes.values()))

    def _enqueue(self, lane: str, row: OutboxRow) -> None:
        if lane in self._lanes:
            self._lanes[lane].append(row)
        else:
            self._lanes[lane] = deque([row])
            self._keep(self._run(lane))

    async def _run(self, lane: str) -> None:
        queue = self._lanes[lane]
        while queue:
            try:
                await self._carry_out(queue[0])
            except Exception:  # its own fault at whatever place: the rest of the lane goes on (F43)
                log.exception("an entry is dropped", kind=queue[0].get("kind"), entry=queue[0].get("id"))
                await self._give_up(queue[0])
            queue.popleft()
        del self._lanes[lane]

    async def _carry_out(self, row: OutboxRow) -> None:
        while True:
            failpoint(f"{row['kind']}.before")
            try:
                done = await self._executors[row["kind"]](row)
            except Later as later:
                await self._postpone(row, later)
                if later.aside:
                    self._aside(row, later.seconds)
                    return
                await asyncio.sleep(later.seconds)
            except Exception:
                log.exception("executor failed", kind=row["kind"], entry=row["id"], call_sid=row["call_sid"])
                if row["attempts"] + 1 >= CRASHES:
                    await self._give_up(row)
                    return
                pause = Later(2.0 ** row["attempts"])
                await self._postpone(row, pause)
                await asyncio.sleep(pause.seconds)
            else:
                failpoint(f"{row['kind']}.after")
                await self._complete(row, done)
                self.submit(done.then)
                return

    async def _complete(self, row: OutboxRow, done: Done) -> None:
        try:
            await self._engine.complete(row, done.happening, done.also)
        except Overtaken:
            pass  # the call's new owner has the entry too
        except Exception:
            log.exception("could not record what was done", kind=row["kind"], entry=row["id"])
            await self._give_up(row)

    async def _give_up(self, row: OutboxRow) -> None:
        """Drops an entry that can't be carried out; the call hears of it, so that nobody waits for it (I6)."""
        DROPPED.labels(row["kind"]).inc()
        try:
            abandon = self._abandon.get(row["kind"])
            also = partial(abandon, row=row, now=self._engine.now()) if abandon else None
            await self._engine.complete(row, self._dropped(row), also)
        except Exception:
            log.exception("an entry can't even be dropped", kind=row["kind"], entry=row["id"])

    def _dropped(self, row: OutboxRow) -> Happening | None:
        wanted, at, reason = (
            row["payload"],
            self._engine.now(),
            "callrouter could not do it; its log says why",
        )
        if row["kind"] == "fetch":
            return DocumentMissing(
                at=at,
                program=wanted["program"],
                fetch=wanted["fetch"],
                url=wanted["url"],
                code=PLATFORM_FAULT,
                reason=reason,
            )
        if "leg" not in wanted or row["kind"] in DISPENSABLE:
            return None
        detail = f"{row['kind']}: {reason}"
        return Gone(
            at=at, leg=wanted["leg"], cause=Cause.FAILED, code=PLATFORM_FAULT, detail=detail, far=False
        )

    async def _postpone(self, row: OutboxRow, later: Later) -> None:
        row["attempts"] += 1
        row["due_at"] = self._engine.now() + later.seconds
        values = {"attempts": row["attempts"], "due_at": row["due_at"]}

        def unit(connection: Any) -> None:
            connection.execute(update(Outbox).where(Outbox.id == row["id"]).values(values))
            if later.also:
                later.also(connection)

        await self._engine.persist(unit, row["call_sid"])

    def _aside(self, row: OutboxRow, seconds: float) -> None:
        self._keep(self._after(row, seconds))

    async def _after(self, row: OutboxRow, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self._enqueue(f"{row['lane']}:{row['id']}", row)

    async def _claim(self) -> None:
        """Takes entries that other processes wrote without an owner, such as the command line's."""
        free = Outbox.owner == ""
        oldest = select(Outbox.id).where(free).order_by(Outbox.due_at, Outbox.position)

        def waiting() -> Sequence[str]:
            with self._database.read() as connection:
                return connection.execute(oldest.limit(CLAIM_BATCH)).scalars().all()

        def unit(connection: Connection, ids: Sequence[str]) -> list[OutboxRow]:
            mine, among = self._engine.owner, Outbox.id.in_(ids)
            # Another router may have been quicker, and a commit before may have been stored without an answer.
            connection.execute(update(Outbox).where(among, free).values(owner=mine))
            rows = connection.execute(select(Outbox.__table__).where(among, Outbox.owner == mine))
            return sorted(map(dict, rows.mappings()), key=lambda row: (row["due_at"], row["position"]))

        while True:
            try:
                if ids := await asyncio.to_thread(waiting):
                    self.submit(await self._engine.persist(partial(unit, ids=ids), ""))
            except DBAPIError as error:
                log.warning("waiting for the database", error=str(error.orig))
            except Exception:
                log.exception("entries without an owner could not be claimed; the next look follows")
            await asyncio.sleep(CLAIM_SECONDS)

    def _keep(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

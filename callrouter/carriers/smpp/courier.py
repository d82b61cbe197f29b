"""Tells the router the news in the store, each until it is answered; what belongs together in its order."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from itertools import groupby
from typing import Any

import structlog
from sqlalchemy import Connection, delete, select

from callrouter.carriers.simulator.link import CallRefused, RouterLink, RouterUnreachable
from callrouter.carriers.smpp.store import NEWS
from foundation.db import Database

log = structlog.get_logger(__name__)

AT_ONCE = 8
PAGE = 500
PAUSE = 2.0
"""Seconds after the router gave no answer to any of the attempts."""
FORBIDDEN, ACCOUNT_CLOSED = 403, 10001


class Courier:
    def __init__(self, database: Database, router: RouterLink) -> None:
        self._database, self._router = database, router
        self._lanes: dict[str, asyncio.Task[None]] = {}
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._news.set()
        self._task = asyncio.create_task(self._run())

    def poke(self) -> None:
        """There is news."""
        self._news.set()

    async def close(self) -> None:
        tasks = [*self._lanes.values(), *([self._task] if self._task else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            rows = await asyncio.to_thread(self._waiting, list(self._lanes))
            for lane, own in groupby(rows, key=lambda row: row.lane):
                if lane not in self._lanes and len(self._lanes) < AT_ONCE:
                    task = self._lanes[lane] = asyncio.create_task(self._tell(list(own)))
                    task.add_done_callback(partial(self._ended, lane))

    def _waiting(self, busy: list[str]) -> list[Any]:
        with self._database.read() as connection:
            oldest = select(NEWS).where(NEWS.c.lane.not_in(busy)).order_by(NEWS.c.number).limit(PAGE)
            rows = list(connection.execute(oldest))
        return sorted(rows, key=lambda row: (row.lane, row.number))

    def _ended(self, lane: str, _: asyncio.Task[None]) -> None:
        self._lanes.pop(lane, None)
        self._news.set()

    async def _tell(self, rows: list[Any]) -> None:
        for row in rows:
            try:
                await self._router.post(row.path, json.loads(row.fields))
            except RouterUnreachable as error:
                log.warning("the router is told again later", why=str(error))
                await asyncio.sleep(PAUSE)
                return
            except CallRefused as refused:
                if refused.status == FORBIDDEN and refused.code != ACCOUNT_CLOSED:
                    log.error("the router does not believe this carrier: check its secret", why=str(refused))
                    await asyncio.sleep(PAUSE)
                    return
                log.warning("the router refused what the SMSC brought", path=row.path, why=str(refused))
            await self._database.commit(partial(_done, number=row.number))


def _done(connection: Connection, number: int) -> None:
    connection.execute(delete(NEWS).where(NEWS.c.number == number))

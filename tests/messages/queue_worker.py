"""A process that sends what waits in queues, to be killed: `python queue_worker.py DATABASE-URL NAME`."""

import asyncio
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection

from callrouter.carriers.webhook import ANYWHERE, CarrierMessages
from callrouter.messages.front import Messages
from foundation.db import Database
from foundation.keys import Keys
from foundation.outbound.fetch import Fetcher
from foundation.outbound.pool import FetchPool


class Worker:
    """The `Host` of its senders."""

    def __init__(self, database: Database, name: str) -> None:
        self.database, self.owner = database, name
        self.carry_out: Callable[[Sequence[dict[str, Any]]], None] = lambda rows: None

    def now(self) -> float:
        return time.time()

    async def persist(self, unit: Callable[[Connection], Any], key: str) -> Any:
        return await self.database.commit(unit, key)


async def main(url: str, name: str) -> None:
    database = Database(url)
    host = Worker(database, name)
    pool = FetchPool(Fetcher(allow=ANYWHERE), threads=32, per_account=16)
    carriers = CarrierMessages(database, Keys(["k" * 32]), pool, host.now)
    loop = asyncio.get_running_loop()
    messages = Messages(host, database, loop, {"": carriers}, base_url="https://router.test")
    await messages.start()
    await asyncio.to_thread(sys.stdin.read)  # until the test closes it
    await messages.stop()
    await pool.close()
    database.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

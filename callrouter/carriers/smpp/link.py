"""The link to one SMSC: its session or two, bound again whenever they end, and the pace of what we submit."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Sequence
from enum import Enum

import structlog

from callrouter.carriers.smpp.pdu import Command, Pdu
from callrouter.carriers.smpp.session import Deliver, Encodes, LinkDown, LinkLost, Session, Smsc

log = structlog.get_logger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds before a connection is tried again; doubled each time, and up to a half less by lot."""


class Bind(Enum):
    """Which sessions: the last one submits."""

    TRANSCEIVER = (Command.BIND_TRANSCEIVER,)
    PAIR = (Command.BIND_RECEIVER, Command.BIND_TRANSMITTER)


class Link:
    """`submit` while it runs. `bound` is set while messages can be submitted."""

    def __init__(self, smsc: Smsc, bind: Bind, deliver: Deliver, *, window: int, rate: float) -> None:
        """At most `window` requests without an answer, and `rate` segments in a second."""
        self._smsc, self._kinds, self._deliver = smsc, bind.value, deliver
        self._window, self._rate, self._next = asyncio.Semaphore(window), rate, 0.0
        self._sessions: dict[Command, Session] = {}
        self._tasks: Sequence[asyncio.Task[None]] = ()
        self.bound = asyncio.Event()

    def start(self) -> None:
        self._tasks = [asyncio.create_task(self._hold(kind)) for kind in self._kinds]

    async def submit(self, encode: Encodes) -> Pdu:
        """The SMSC's answer. LinkDown when nothing was written, LinkLost when nobody knows."""
        if not self.bound.is_set():
            raise LinkDown("the link is down")
        async with self._window:
            await self._turn()
            session = self._sessions.get(self._kinds[-1])
            if session is None:
                raise LinkDown("the link is down")
            return await session.request(encode)

    async def close(self) -> None:
        """Unbinds. Requests without an answer end by LinkLost."""
        await asyncio.gather(*(session.unbind() for session in self._sessions.values()))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _turn(self) -> None:
        now = asyncio.get_running_loop().time()
        self._next = max(now, self._next) + 1 / self._rate
        await asyncio.sleep(self._next - 1 / self._rate - now)

    async def _hold(self, kind: Command) -> None:
        pause = FIRST_PAUSE
        while True:
            session = Session(self._smsc, kind, uuid.uuid4().hex, self._deliver)
            was_bound = asyncio.Event()

            def bound(session: Session = session, was_bound: asyncio.Event = was_bound) -> None:
                was_bound.set()
                self._sessions[kind] = session
                log.info("bound to the SMSC", host=self._smsc.host, port=self._smsc.port, kind=kind.name)
                if kind == self._kinds[-1]:
                    self.bound.set()

            try:
                await session.run(bound)
            except LinkLost as lost:
                pause = FIRST_PAUSE if was_bound.is_set() else min(LONGEST_PAUSE, pause * 2)
                wait = pause * random.uniform(0.5, 1)  # noqa: S311 - chance, no secret
                log.warning("the SMPP link is down", why=str(lost), kind=kind.name, again_in=round(wait, 1))
            finally:
                self._sessions.pop(kind, None)
                if kind == self._kinds[-1]:
                    self.bound.clear()
            await asyncio.sleep(wait)

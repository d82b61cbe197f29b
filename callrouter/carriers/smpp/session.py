"""One bound SMPP session on one connection: requests with their answers, and what the SMSC asks."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

import structlog
from smpp34 import DeliverSm, SmppError, decode

from callrouter.carriers.smpp import pdu as wire
from callrouter.carriers.smpp.answers import (
    ALREADY_BOUND,
    INVALID_COMMAND,
    INVALID_LENGTH,
    OK,
    REJECTED,
    TEMPORARY,
)
from callrouter.carriers.smpp.pdu import ANSWER, Command, FrameBroken, Pdu

log = structlog.get_logger(__name__)

CONNECT_SECONDS = 10.0
UNBIND_SECONDS = 2.0
LAST_SEQUENCE = 0x7FFFFFFF
AT_ONCE = 64
"""`deliver_sm` that wait to be stored; the connection is not read further while there are so many."""

Deliver = Callable[[DeliverSm, str], Awaitable[int]]
"""Stores what came in the session of that name; the command_status to answer with."""


class LinkLost(Exception):
    """The connection to the SMSC ended, was refused, or is silent; whatever had no answer may have been taken."""


class LinkDown(LinkLost):
    """There is no bound session: nothing was written."""


class Encodes(Protocol):
    """A `submit_sm` that awaits its sequence number."""

    def __call__(self, sequence: int) -> bytes: ...


@dataclass(frozen=True, kw_only=True)
class Smsc:
    """Where the SMSC is and who we are there."""

    host: str
    port: int
    system_id: str
    password: str = field(repr=False)
    system_type: str = ""
    tls: ssl.SSLContext | None = None
    answer_seconds: float = 30.0
    """For an answer; a link without one is taken down."""
    enquire_seconds: float = 30.0


class Session:
    """Between `open` and `close`. `name` is unique; `kind` is one of the three binds."""

    def __init__(self, smsc: Smsc, kind: Command, name: str, deliver: Deliver) -> None:
        self._smsc, self._kind, self.name, self._deliver = smsc, kind, name, deliver
        self._sequence = 0
        self._waiting: dict[int, asyncio.Future[Pdu]] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter | None = None

    async def run(self, bound: Callable[[], None]) -> None:
        """Connects, binds, calls `bound`, and serves the session until it ends by LinkLost, always."""
        smsc = self._smsc
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                self._reader, self._writer = await asyncio.open_connection(
                    smsc.host, smsc.port, ssl=smsc.tls, limit=wire.LONGEST
                )
        except (OSError, TimeoutError) as error:
            raise LinkLost(f"can't connect: {error or 'no answer'}") from error
        reading = asyncio.create_task(self._read())
        keeping = asyncio.create_task(self._keep(bound))
        try:
            done, _ = await asyncio.wait([reading, keeping], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await self._end(reading, keeping)

    async def request(self, encode: Encodes) -> Pdu:
        """The answer. LinkDown when nothing was written, LinkLost when nobody knows."""
        if self._writer is None or self._writer.is_closing():
            raise LinkDown("the session is over")
        self._sequence = self._sequence % LAST_SEQUENCE + 1
        sequence = self._sequence
        octets = encode(sequence)
        answer: asyncio.Future[Pdu] = asyncio.get_running_loop().create_future()
        self._waiting[sequence] = answer
        try:
            async with asyncio.timeout(self._smsc.answer_seconds):
                self._writer.write(octets)
                await self._writer.drain()
                return await answer
        except (OSError, TimeoutError) as error:
            self._drop()
            raise LinkLost("the SMSC did not answer") from error
        finally:
            self._waiting.pop(sequence, None)

    async def unbind(self) -> None:
        """Says good-bye, within UNBIND_SECONDS; the session ends then, however the SMSC takes it."""
        with suppress(LinkLost, TimeoutError):
            async with asyncio.timeout(UNBIND_SECONDS):
                await self.request(lambda sequence: wire.frame(Command.UNBIND, sequence))
        self._drop()

    async def _keep(self, bound: Callable[[], None]) -> None:
        smsc = self._smsc
        body = wire.bind(smsc.system_id, smsc.password, smsc.system_type)
        answer = await self.request(lambda sequence: wire.frame(self._kind, sequence, body))
        if answer.status not in (OK, ALREADY_BOUND):
            raise LinkLost(f"the SMSC refused to bind {smsc.system_id!r}: {answer.status:#010x}")
        bound()
        while True:
            await asyncio.sleep(smsc.enquire_seconds)
            await self.request(lambda sequence: wire.frame(Command.ENQUIRE_LINK, sequence))

    async def _read(self) -> None:
        while True:
            try:
                pdu = await wire.read(self._reader)
            except FrameBroken as broken:
                self._write(wire.frame(Command.GENERIC_NACK, 0, status=INVALID_LENGTH))
                raise LinkLost(f"the SMSC sent {broken}") from broken
            except (OSError, asyncio.IncompleteReadError) as error:
                raise LinkLost("the SMSC closed the connection") from error
            if pdu.command & ANSWER:
                waiting = self._waiting.get(pdu.sequence)
                if waiting and not waiting.done():
                    waiting.set_result(pdu)
            elif pdu.command == Command.DELIVER_SM:
                await self._slots.acquire()
                task = asyncio.create_task(self._take(pdu))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            elif pdu.command == Command.ENQUIRE_LINK:
                self._write(wire.frame(pdu.command | ANSWER, pdu.sequence))
            elif pdu.command == Command.UNBIND:
                self._write(wire.frame(pdu.command | ANSWER, pdu.sequence))
                raise LinkLost("the SMSC unbound")
            elif pdu.command != Command.ALERT_NOTIFICATION:
                log.warning("the SMSC sent a command that is not known here", command=hex(pdu.command))
                self._write(wire.frame(Command.GENERIC_NACK, pdu.sequence, status=INVALID_COMMAND))

    async def _take(self, pdu: Pdu) -> None:
        """Answered after it is stored, and with a refusal when it can't be read."""
        try:
            try:
                delivery = decode(pdu.octets)
                assert isinstance(delivery, DeliverSm)
                status = await self._deliver(delivery, self.name)
            except SmppError as error:
                log.warning("the SMSC sent a deliver_sm that can't be read", error=str(error))
                status = REJECTED
            except Exception:
                log.exception("a deliver_sm was not taken; the SMSC is asked to repeat it")
                status = TEMPORARY
            self._write(wire.frame(pdu.command | ANSWER, pdu.sequence, b"\0", status))
        finally:
            self._slots.release()

    def _write(self, octets: bytes) -> None:
        if self._writer and not self._writer.is_closing():
            self._writer.write(octets)

    def _drop(self) -> None:
        """The reader sees the end, and with it `run`."""
        if self._writer:
            self._writer.transport.abort()

    async def _end(self, *own: asyncio.Task[None]) -> None:
        for task in own:
            task.cancel()
        await asyncio.gather(*own, return_exceptions=True)
        if self._tasks:  # what is being stored may still be answered
            await asyncio.wait(self._tasks, timeout=UNBIND_SECONDS)
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(LinkLost("the connection ended before the SMSC answered"))
        self._drop()
        if self._writer:
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(UNBIND_SECONDS):
                    await self._writer.wait_closed()

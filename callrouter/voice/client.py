"""The router's side of the control protocol: requests, events, and a connection that heals itself."""

from __future__ import annotations

import asyncio
import itertools
import logging
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

from . import contract
from .contract import Address, VoiceError, VoiceEvent, VoiceUnavailable

__all__ = ["VoiceClient", "VoiceError", "VoiceEvent", "VoiceUnavailable"]

log = logging.getLogger(__name__)

_BACKOFF = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0)
_PING_SECONDS = 5.0
_MAX_PENDING = 2000
_MAX_SEEN = 20_000
_EVENT_TRIES = 3


class VoiceClient:
    """One per node. `start` it on the router's loop; `close` it at the end.

    `on_event` may be called for several legs at once, for one leg in order; an event is acknowledged
    when it returned. If it fails three times the event stays with the node and comes again after the
    next reconnect, so it must accept an event twice. `on_up` gets the ids of the legs that live on the
    node, at every connect: what the router thinks is there and is not has been lost.
    """

    def __init__(
        self,
        address: Address,
        token: str,
        on_event: Callable[[VoiceEvent], Awaitable[None]],
        *,
        owner: str = "router",
        on_up: Callable[[Sequence[str]], Awaitable[None]] | None = None,
        on_down: Callable[[], Awaitable[None]] | None = None,
        timeout: float = 2.0,
    ) -> None:
        self._address = address
        self._token = token
        self._owner = owner
        self._on_event = on_event
        self._on_up = on_up
        self._on_down = on_down
        self._timeout = timeout
        self._prefix = secrets.token_hex(6)
        self._numbers = itertools.count(1)
        self._pending: dict[str, tuple[bytes, asyncio.Future[contract.Reply]]] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._runner: asyncio.Task[None] | None = None
        self._connected = asyncio.Event()
        self._seen: OrderedDict[str, bool] = OrderedDict()  # event id -> done
        self._tails: dict[str, asyncio.Task[None]] = {}  # leg -> its newest event
        self.node: str | None = None
        """The node's instance id; another one means that it was restarted."""

    @property
    def up(self) -> bool:
        return self._connected.is_set()

    async def start(self) -> None:
        """Begin to connect, and wait a moment for it; a node that is down is no error here."""
        self._runner = asyncio.create_task(self._run())
        with suppress(TimeoutError):
            await asyncio.wait_for(self._connected.wait(), self._timeout)

    async def close(self) -> None:
        """Stop. Requests under way end as unavailable; events not finished stay with the node."""
        tasks = [*self._tails.values(), *([self._runner] if self._runner else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for _, future in self._pending.values():
            if not future.done():
                future.set_exception(VoiceUnavailable("the client was closed"))

    async def request(
        self, type: str, *, request_id: str | None = None, timeout: float | None = None, **fields: Any
    ) -> dict[str, Any]:
        """Run one command; the answer's fields.

        `VoiceError`: refused. `VoiceUnavailable`: no answer in `timeout` seconds; whether it ran is
        unknown, and sending it again with the same `request_id` is safe. A request that is under way
        when the connection breaks is sent again by itself.
        """
        if len(self._pending) >= _MAX_PENDING:
            raise VoiceUnavailable(f"{_MAX_PENDING} requests already wait for the voice node")
        identifier = request_id or f"cmd-{self._prefix}-{next(self._numbers)}"
        line = contract.encode(contract.Request(id=identifier, type=type, fields=fields))
        known = self._pending.get(identifier)
        future = known[1] if known else asyncio.get_running_loop().create_future()
        self._pending[identifier] = line, future
        limit = self._timeout if timeout is None else timeout
        try:
            if self._writer is not None and known is None:
                self._writer.write(line)
            async with asyncio.timeout(limit):
                reply = await asyncio.shield(future)
        except TimeoutError as error:
            raise VoiceUnavailable(f"the voice node did not answer {type} within {limit:g} s") from error
        finally:
            if self._pending.get(identifier, (b"", None))[1] is future:
                del self._pending[identifier]
        if reply.error_code is not None:
            raise VoiceError(reply.error_code, reply.error_message)
        return dict(reply.result)

    # -- the connection ------------------------------------------------------------

    async def _run(self) -> None:
        tries = 0
        while True:
            try:
                async with asyncio.timeout(self._timeout):
                    reader, writer = await self._open()
                    welcome = await self._greet(reader, writer)
            except (OSError, ValueError, VoiceError, TimeoutError) as error:
                wait = _BACKOFF[min(tries, len(_BACKOFF) - 1)]
                tries += 1
                log.log(
                    logging.WARNING if tries == 1 or isinstance(error, VoiceError) else logging.DEBUG,
                    "no voice node at %s: %s; next try in %g s", self._address, error, wait,
                )  # fmt: skip
                await asyncio.sleep(wait)
                continue
            tries = 0
            pause = _BACKOFF[0]
            try:
                await self._session(reader, writer, welcome)
            except VoiceError as error:  # the node threw us out: another router uses our name
                log.error("the voice node at %s ended the connection: %s", self._address, error)
                pause = _BACKOFF[-1]
            except (OSError, ValueError) as error:
                log.warning("the connection to the voice node at %s broke: %s", self._address, error)
            finally:
                self._writer = None
                self._connected.clear()
                writer.close()
            await self._call(self._on_down)
            await asyncio.sleep(pause)

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        limit = contract.MAX_NODE_LINE
        if isinstance(self._address, str):
            return await asyncio.open_unix_connection(self._address, limit=limit)
        return await asyncio.open_connection(*self._address, limit=limit)

    async def _greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> contract.Welcome:
        try:
            writer.write(contract.encode(contract.Hello(token=self._token, owner=self._owner)))
            line = await reader.readline()
            message = contract.decode_from_node(line) if line else None
            if not isinstance(message, contract.Welcome):
                raise ConnectionError("it is not a voice node, or it ends just now")
        except BaseException:
            writer.close()
            raise
        return message

    async def _session(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, welcome: contract.Welcome
    ) -> None:
        self.node = welcome.node
        self._writer = writer
        for line, _ in self._pending.values():
            writer.write(line)
        self._connected.set()
        pinger = asyncio.create_task(self._ping(writer))
        greeter = asyncio.create_task(self._call(self._on_up, welcome.legs))
        try:
            while line := await reader.readline():
                self._take(contract.decode_from_node(line))
        finally:
            pinger.cancel()
            greeter.cancel()
            await asyncio.gather(pinger, greeter, return_exceptions=True)

    def _take(self, message: contract.FromNode) -> None:
        match message:
            case contract.Reply(reply_to=identifier):
                _, future = self._pending.get(identifier, (b"", None))
                if future is not None and not future.done():
                    future.set_result(message)
            case VoiceEvent():
                self._receive(message)

    async def _ping(self, writer: asyncio.StreamWriter) -> None:
        """Cut a connection whose node has stopped answering."""
        while True:
            await asyncio.sleep(_PING_SECONDS)
            try:
                await self.request("ping")
            except VoiceUnavailable:
                writer.transport.abort()

    async def _call(self, hook: Callable[..., Awaitable[None]] | None, *args: Any) -> None:
        if hook is not None:
            try:
                await hook(*args)
            except Exception:  # the router's own fault must not end the connection
                log.exception("a hook of the voice client failed")

    # -- events ----------------------------------------------------------------------

    def _receive(self, event: VoiceEvent) -> None:
        done = self._seen.get(event.event_id)
        if done:
            self._acknowledge(event)
        elif done is None:
            self._seen[event.event_id] = False
            if len(self._seen) > _MAX_SEEN:
                self._seen.popitem(last=False)
            before = self._tails.get(event.leg)
            task = asyncio.create_task(self._deliver(event, before))
            self._tails[event.leg] = task
            task.add_done_callback(lambda task: self._finished(event.leg, task))

    def _finished(self, leg: str, task: asyncio.Task[None]) -> None:
        if self._tails.get(leg) is task:
            del self._tails[leg]

    async def _deliver(self, event: VoiceEvent, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait([before])
        for number in range(_EVENT_TRIES):
            try:
                await self._on_event(event)
            except Exception:
                log.exception("%s of leg %s was not handled, try %d", event.type, event.leg, number + 1)
                await asyncio.sleep(_BACKOFF[number])
                continue
            self._seen[event.event_id] = True
            self._acknowledge(event)
            return
        self._seen.pop(event.event_id, None)

    def _acknowledge(self, event: VoiceEvent) -> None:
        if self._writer is not None:
            self._writer.write(contract.encode(contract.Ack(event_id=event.event_id)))

"""The control port: sessions of routers, replies remembered by request id, events kept until acknowledged."""

from __future__ import annotations

import asyncio
import hmac
import logging
import os
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any

from . import contract
from .contract import ErrorCode, VoiceError, VoiceEvent
from .journal import Journal

log = logging.getLogger(__name__)

Execute = Callable[[str, contract.Request], Awaitable[dict[str, Any]]]
"""(owner, request) -> result; raises `VoiceError` to refuse."""

_HELLO_SECONDS = 5.0
_MAX_OWNERS = 64
_MAX_REPLIES = 4096
_MAX_UNSENT = 4 << 20  # bytes that a router may leave unread


class ControlPort:
    """Owners are routers. Each has one session at a time, the newest, and one journal of events."""

    def __init__(
        self,
        *,
        token: str,
        welcome: Callable[[], contract.Welcome],
        execute: Execute,
        max_events: int,
    ) -> None:
        self._token = token.encode()
        self._welcome = welcome
        self._execute = execute
        self._max_events = max_events
        self._server: asyncio.Server | None = None
        self._sessions: dict[str, asyncio.StreamWriter] = {}
        self._journals: dict[str, Journal] = {}
        self._replies: OrderedDict[str, tuple[contract.Request, asyncio.Task[contract.Reply]]] = OrderedDict()
        self._open: set[asyncio.Task[Any]] = set()

    async def listen(self, address: contract.Address) -> contract.Address:
        """Open the port; the address is the same with the real port in place of port 0."""
        if isinstance(address, str):
            self._server = await asyncio.start_unix_server(self._serve, address, limit=contract.MAX_LINE)
            os.chmod(address, 0o600)
            return address
        host, port = address
        self._server = await asyncio.start_server(self._serve, host, port, limit=contract.MAX_LINE)
        return host, int(self._server.sockets[0].getsockname()[1])

    @property
    def connected(self) -> bool:
        """Whether any router is there."""
        return bool(self._sessions)

    @property
    def unacknowledged(self) -> int:
        return sum(map(len, self._journals.values()))

    def emit(self, owner: str, event: VoiceEvent) -> None:
        """Tell `owner`, now or when it is back."""
        self._journal(owner).add(event)
        if owner in self._sessions:
            self._send(self._sessions[owner], event)

    def emit_to_all(self, event: VoiceEvent) -> None:
        """Tell every router that there is now."""
        for owner in tuple(self._sessions):
            self.emit(owner, event)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in tuple(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    def _journal(self, owner: str) -> Journal:
        return self._journals.setdefault(owner, Journal(self._max_events))

    # -- one connection ----------------------------------------------------------

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        owner = ""
        try:
            owner = await asyncio.wait_for(self._greet(reader, writer), _HELLO_SECONDS)
            while line := await reader.readline():
                await self._take(owner, contract.decode_from_router(line), writer)
        except VoiceError as error:
            self._refuse(writer, error.code, error.message)
        except ValueError as error:  # not of the protocol, or a line beyond the limit
            self._refuse(writer, ErrorCode.BAD_REQUEST, str(error))
        except (TimeoutError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            if self._sessions.get(owner) is writer:
                del self._sessions[owner]
            writer.close()
            self._open.discard(task)

    async def _greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
        line = await reader.readline()
        hello = contract.decode_from_router(line) if line else None
        if not isinstance(hello, contract.Hello):
            raise VoiceError(ErrorCode.BAD_REQUEST, "the first line must be a hello")
        if not hmac.compare_digest(hello.token.encode("utf-8", "surrogatepass"), self._token):
            log.warning("a control connection with a wrong token was refused")
            raise VoiceError(ErrorCode.BAD_TOKEN, "the token is not this node's; compare both settings")
        if hello.owner not in self._journals and len(self._journals) >= _MAX_OWNERS:
            raise VoiceError(ErrorCode.AT_CAPACITY, f"{_MAX_OWNERS} routers are known already")
        older = self._sessions.pop(hello.owner, None)
        if older is not None:  # a half-open connection of a router that came back
            self._refuse(older, ErrorCode.REPLACED, "a newer connection of the same owner took over")
            older.close()
        self._sessions[hello.owner] = writer
        self._send(writer, self._welcome())
        for event in self._journal(hello.owner):
            self._send(writer, event)
        return hello.owner

    async def _take(self, owner: str, message: contract.FromRouter, writer: asyncio.StreamWriter) -> None:
        match message:
            case contract.Ack(event_id=event_id):
                self._journal(owner).ack(event_id)
            case contract.Request():
                self._send(writer, await self._reply(owner, message))
            case contract.Hello():
                raise VoiceError(ErrorCode.BAD_REQUEST, "a second hello")

    async def _reply(self, owner: str, request: contract.Request) -> contract.Reply:
        """The same id gets the same reply, also while the first one is still at work."""
        known = self._replies.get(request.id)
        if known is None:
            known = request, asyncio.ensure_future(self._run(owner, request))
            self._replies[request.id] = known
            if len(self._replies) > _MAX_REPLIES:
                self._replies.popitem(last=False)
        elif known[0] != request:
            text = f"request id {request.id} was used for another request"
            return contract.Reply(reply_to=request.id, error_code=ErrorCode.BAD_REQUEST, error_message=text)
        return await asyncio.shield(known[1])

    async def _run(self, owner: str, request: contract.Request) -> contract.Reply:
        try:
            return contract.Reply(reply_to=request.id, result=await self._execute(owner, request))
        except VoiceError as error:
            code, text = error.code, error.message
        except Exception:  # our fault: one command fails, the node goes on
            log.exception("command %s failed", request.type)
            code, text = ErrorCode.INTERNAL, "the node failed at this command; its log has the reason"
        return contract.Reply(reply_to=request.id, error_code=code, error_message=text)

    def _send(self, writer: asyncio.StreamWriter, message: contract.FromNode) -> None:
        if writer.is_closing():
            return
        writer.write(contract.encode(message))
        if writer.transport.get_write_buffer_size() > _MAX_UNSENT:
            log.error("a router does not read its events; its connection is cut")
            writer.transport.abort()

    def _refuse(self, writer: asyncio.StreamWriter, code: str, message: str) -> None:
        self._send(writer, contract.Reply(reply_to="", error_code=code, error_message=message))

"""The carrier's control URL: an HTTP server that takes the router's signed requests; a call's commands, each once."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from foundation.outbound.signature import SignatureRefused, verify_body
from foundation.settings import address
from foundation.webserver.bridge import Receive, Scope, Send
from foundation.webserver.serve import Listener, serve

Answer = tuple[int, Mapping[str, Any]]
REMEMBERED = 5_000
"""Commands that are known again when the router repeats them."""
BODY_LIMIT = 65_536


class Desk(Protocol):
    """What takes the requests at paths of one form, once their signature is verified."""

    path: re.Pattern[str]

    async def take(self, place: re.Match[str], body: bytes) -> Answer:
        """ValueError means 400. A `retry_after` in the answer is also sent as the header."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """`id` is the idempotency key; `fields` are those of its type."""

    id: str
    type: str
    fields: Mapping[str, Any]

    @classmethod
    def read(cls, body: bytes) -> Command:
        """ValueError when it is not the object that the protocol page describes."""
        fields = json.loads(body)
        if not isinstance(fields, dict):
            raise ValueError("a command is a JSON object")
        key, kind = fields.pop("id", None), fields.pop("type", None)
        if not (isinstance(key, str) and isinstance(kind, str) and key and kind):
            raise ValueError("a command needs the texts `id` and `type`")
        return cls(id=key, type=kind, fields=fields)

    def text(self, name: str) -> str:
        """A required text; ValueError without it."""
        value = self.fields.get(name)
        if not isinstance(value, str) or not value:
            raise ValueError(f"`{self.type}` needs the text `{name}`")
        return value


class CommandDesk:
    """Form and idempotency of commands; `obey(call id, command)` does the work, ValueError means 400.

    It never awaits, so that two copies of one command can't interleave.
    """

    path = re.compile(r"(?:/[^/]*)*?/calls/([^/]{1,128})/commands")

    def __init__(self, obey: Callable[[str, Command], Answer]) -> None:
        self._obey = obey
        self._answers: OrderedDict[tuple[str, str], Answer] = OrderedDict()

    async def take(self, place: re.Match[str], body: bytes) -> Answer:
        command = Command.read(body)
        key = place[1], command.id
        if key not in self._answers:
            self._answers[key] = self._obey(place[1], command)
            if len(self._answers) > REMEMBERED:
                self._answers.popitem(last=False)
        return self._answers[key]


class ControlServer:
    """Serves its desks on `listen` (host:port, port 0 for a free one) between `start` and `close`."""

    def __init__(self, listen: str, secret: str, desks: Sequence[Desk]) -> None:
        self.host, self.port = address(listen)
        self._secret, self._desks = secret, desks
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """AddressTaken when the port is in use."""
        bind = f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
        opened = Listener(bind=bind).open()
        opened.listen(128)  # commands may come before the server's own loop has begun
        self.port = opened.getsockname()[1]
        listener = _Opened(bind=bind, opened=opened)
        self._task = asyncio.create_task(serve(self, [listener], self._stop))

    async def close(self) -> None:
        """Idempotent; open requests get the server's drain time."""
        self._stop.set()
        if self._task:
            await self._task

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        body, more = b"", True
        while more and len(body) <= BODY_LIMIT:
            message = await receive()
            body += message.get("body", b"")
            more = bool(message.get("more_body"))
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        status: int
        answer: Mapping[str, Any]
        if more:
            status, answer = 413, {"message": f"a command has at most {BODY_LIMIT} bytes"}
        elif scope["method"] != "POST":
            status, answer = 405, {"message": "commands are POSTed"}
        else:
            status, answer = await self._take(scope["path"], headers, body)
        content = json.dumps(answer).encode()
        head = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(content))]
        if "retry_after" in answer:
            head.append((b"retry-after", b"%d" % answer["retry_after"]))
        await send({"type": "http.response.start", "status": status, "headers": head})
        await send({"type": "http.response.body", "body": content})

    async def _take(self, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        stamp, signature = headers.get("x-callrouter-timestamp"), headers.get("x-callrouter-signature")
        try:
            verify_body([self._secret], stamp, signature, body, time.time())
            for desk in self._desks:
                if place := desk.path.fullmatch(path):
                    return await desk.take(place, body)
        except SignatureRefused as refused:
            return 403, {"message": refused.reason}
        except ValueError as fault:
            return 400, {"message": str(fault)}
        return 404, {"message": "Only …/calls/{id}/commands and …/messages are here."}


@dataclass(frozen=True, kw_only=True)
class _Opened(Listener):
    """A listener whose port is known before it serves."""

    opened: socket.socket

    def open(self) -> socket.socket:
        return self.opened

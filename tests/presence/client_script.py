"""A presence server that plays a script, for tests of the Python client."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from presence_world import SECONDS

from presence.client import AccountPresence

ACCOUNT = "AC" + "1" * 32


@dataclass
class Asked:
    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: Any


Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Script:
    """Answers requests in order; the last answer again and again."""

    answers: list[Answer] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    url: str = ""
    ended: threading.Event = field(default_factory=threading.Event)

    def client(self, auth: Any = ("AC1", "secret")) -> AccountPresence:
        return AccountPresence(self.url, ACCOUNT, auth)


def answer(status: int, body: Any = None, **headers: str) -> Answer:
    def give(handler: BaseHTTPRequestHandler) -> None:
        payload = b"" if body is None else json.dumps(body).encode()
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(payload)))
        handler.end_headers()
        handler.wfile.write(payload)

    return give


def stream(script: Script, *pieces: str, stay: bool = False, chunked: bool = True) -> Answer:
    """Server-sent events, each piece as it is; then the connection ends, or stays open until the test's end."""

    def give(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.send_header(*(("Transfer-Encoding", "chunked") if chunked else ("Connection", "close")))
        handler.end_headers()
        for piece in pieces:
            data = piece.encode()
            handler.wfile.write(b"%x\r\n%b\r\n" % (len(data), data) if chunked else data)
            handler.wfile.flush()
        if stay:
            script.ended.wait(SECONDS)
        handler.close_connection = True

    return give


@pytest.fixture
def script() -> Iterator[Script]:
    made = Script()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            url = urlsplit(self.path)
            text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = json.loads(text) if text else None
            made.asked.append(
                Asked(self.command, url.path, parse_qs(url.query), dict(self.headers.items()), body)
            )
            (made.answers.pop(0) if len(made.answers) > 1 else made.answers[0])(self)

        do_GET = do_POST = do_PUT = do_DELETE = _any  # noqa: N815 - the names that the base class looks for

        def log_message(self, *_: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        made.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield made
        made.ended.set()
        server.shutdown()


def presence(name: str, status: str = "available", **more: Any) -> dict[str, Any]:
    return {
        "account_sid": ACCOUNT, "client": name, "status": status, "available": status == "available", "note": "",
        "capabilities": ["voice"], "version": 1, "updated_at": None, "expires_at": None, "uri": "/", **more,
    }  # fmt: skip


def event(name: str, status: str = "available", sequence: int = 1, version: int = 1) -> dict[str, Any]:
    return {
        "client": name, "status": status, "available": status == "available", "note": "", "capabilities": [],
        "version": version, "sequence": sequence, "at": "2026-01-01T00:00:00Z", "something": "newer",
    }  # fmt: skip


def message(
    as_of: int, *clients: dict[str, Any], snapshot: bool = False, removed: tuple[str, ...] = ()
) -> str:
    said = {"as_of": as_of, "snapshot": snapshot, "clients": clients, "removed": removed}
    return f"event: presence\nid: {as_of}\ndata: {json.dumps(said)}\n\n"

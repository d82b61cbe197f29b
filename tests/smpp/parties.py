"""The two parties that a gateway stands between: the SMSC's process, and a router that verifies signatures."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from foundation.outbound.signature import SignatureRefused, verify_body

SECRET = "a-carrier-secret-of-these-tests"
PATIENCE = 20.0
"""Seconds for what must happen."""


class Smsc:
    """tests/smpp/smsc.py as a process; `events` are all that it told, in order."""

    def __init__(self, *certificate: str, port: int = 0) -> None:
        """With the files of a certificate and its key: over TLS."""
        self.events: list[dict[str, Any]] = []
        self._told = threading.Condition()
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("smsc.py")), str(port), *certificate],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()
        self.port: int = self.wait("listening")["port"]

    def order(self, **order: Any) -> None:
        """Returns when it is done."""
        count = len(self.all("obeyed"))
        assert self._process.stdin
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        self.wait("obeyed", count + 1)

    def all(self, event: str) -> list[dict[str, Any]]:
        with self._told:
            return [each for each in self.events if each["event"] == event]

    def wait(self, event: str, count: int = 1) -> dict[str, Any]:
        """The `count`th event of that name."""
        with self._told:
            there = self._told.wait_for(lambda: len(self.all(event)) >= count, PATIENCE)
        assert there, f"the SMSC told no {event} number {count}: {self.events}"
        return self.all(event)[count - 1]

    def close(self) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.kill()
        self._process.wait(PATIENCE)
        self._thread.join(PATIENCE)
        self._process.stdout.close()

    def _listen(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            with self._told:
                self.events.append(json.loads(line))
                self._told.notify_all()


class Router:
    """`received` are the bodies that it believed, with their paths; `answers` go before the usual one."""

    def __init__(self) -> None:
        self.received: list[tuple[str, dict[str, Any]]] = []
        self.answers: list[tuple[int, dict[str, Any]]] = []
        self._told = threading.Condition()
        router = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, answer = router.take(self.path, dict(self.headers), body)
                content = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def take(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, Any]]:
        try:
            stamp, signature = headers.get("X-Callrouter-Timestamp"), headers.get("X-Callrouter-Signature")
            verify_body([SECRET], stamp, signature, body, time.time())
        except SignatureRefused as refused:
            return 403, {"code": 20403, "message": refused.reason}
        with self._told:
            if self.answers:
                return self.answers.pop(0)
            self.received.append((path, json.loads(body)))
            self._told.notify_all()
        return (200, {"status": "ok"}) if path.endswith("/events") else (201, {"message_sid": "SM1"})

    def wait(self, count: int = 1) -> dict[str, Any]:
        """The `count`th body."""
        with self._told:
            there = self._told.wait_for(lambda: len(self.received) >= count, PATIENCE)
            assert there, f"the router got no request number {count}: {self.received}"
            return self.received[count - 1][1]

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join(PATIENCE)
        self._server.server_close()

"""The router's end of the carrier protocol, for tests of gateways alone: it believes signatures, and nothing else."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from foundation.outbound.signature import SignatureRefused, verify_body

PATIENCE = 30.0


class FakeRouter:
    """`received` are the bodies that it believed, with their paths, `taken` those that got the usual answer; `answers`
    go before that one; `refused` are the reasons of 403s."""

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self.received: list[tuple[str, dict[str, Any]]] = []
        self.taken: list[tuple[str, dict[str, Any]]] = []
        self.refused: list[str] = []
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
        stamp, signature = headers.get("X-Callrouter-Timestamp"), headers.get("X-Callrouter-Signature")
        try:
            verify_body([self._secret], stamp, signature, body, time.time())
        except SignatureRefused as refused:
            self.refused.append(refused.reason)
            return 403, {"code": 20403, "message": refused.reason}
        with self._told:
            self.received.append((path, json.loads(body)))
            if self.answers:
                return self.answers.pop(0)
            self.taken.append(self.received[-1])
            self._told.notify_all()
        if path.endswith("/events"):
            return 200, {"status": "ok"}
        return 201, {"call_sid": "CA1"} if path.endswith("/calls") else {"message_sid": "SM1"}

    def wait(self, count: int = 1) -> dict[str, Any]:
        """The `count`th body that was taken."""
        with self._told:
            there = self._told.wait_for(lambda: len(self.taken) >= count, PATIENCE)
            assert there, f"the router got no request number {count}: {self.taken}"
            return self.taken[count - 1][1]

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join(PATIENCE)
        self._server.server_close()

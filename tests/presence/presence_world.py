"""A presence server with everything around it: a fake router, client apps that speak the SDK's protocol, tokens."""

import asyncio
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, cast
from uuid import uuid4

import requests
from twilio.jwt.access_token import AccessToken, AccessTokenGrant
from twilio.jwt.access_token.grants import VoiceGrant
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from callrouter.scenario.ports import free_port
from foundation.keys import Keys
from foundation.settings import Settings
from presence.client import PresenceClient
from presence.server import run_presence
from tests.support import tables

SECONDS = 20
"""For what must happen, however busy the machine is."""
STARTING = 90
"""For a server to start, all of whose modules a busy machine must load."""
MASTER = "k" * 40
APPLICATION = "AP" + "2" * 32
SDP = "v=0\r\na=ice-ufrag:{}\r\na=setup:actpass\r\n"

Event = dict[str, Any]
Answer = tuple[int, dict[str, Any]]


def sid(prefix: str) -> str:
    return prefix + uuid4().hex


class FakeRouter:
    """Records events and answers them; `answers[type]` replaces the friendly default."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.answers: dict[str, Callable[[Event], Answer]] = {}
        self._arrived = threading.Condition()
        router = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                Keys([MASTER]).verify("service.router", self.headers["Authorization"].split()[1], 300)
                assert self.path == "/v1/client-events"
                with router._arrived:
                    router.events.append(event)
                    router._arrived.notify_all()
                status, body = router.answers.get(event["type"], friendly)(event)
                payload = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def of(self, account_sid: str, type: str | None = None) -> list[Event]:
        return [e for e in list(self.events) if e["account_sid"] == account_sid and type in (None, e["type"])]

    def wait(self, account_sid: str, type: str, count: int = 1) -> Event:
        """The latest event of that type, once there are `count`."""
        with self._arrived:
            done = self._arrived.wait_for(lambda: len(self.of(account_sid, type)) >= count, SECONDS)
        assert done, f"no {type} event; got {[e['type'] for e in self.of(account_sid)]}"
        return self.of(account_sid, type)[count - 1]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(SECONDS)


def friendly(event: Event) -> Answer:
    if event["type"] == "call":
        return 201, {"call_sid": sid("CA")}
    if event["type"] == "accepted":
        return 200, {"result": "won"}
    if event["type"] == "restart" or event.get("moved"):
        return 200, {"sdp": SDP.format("serverside")}
    return 200, {}


class App:
    """A client app's device as the wire sees it. Like the SDK it answers heartbeats, whatever the test waits for."""

    def __init__(self, url: str, **options: Any) -> None:
        self._open = ExitStack()
        self.socket: ClientConnection = self._open.enter_context(
            connect(url, compression=None, ping_interval=None, close_timeout=1, **options)
        )
        self._heard: SimpleQueue[str | ConnectionClosed] = SimpleQueue()
        threading.Thread(target=self._hear, daemon=True).start()

    def _hear(self) -> None:
        try:
            while True:
                if (text := self.socket.recv(decode=True)) == "\n":
                    self.socket.send(text)
                else:
                    self._heard.put(text)
        except ConnectionClosed as closed:
            self._heard.put(closed)

    def close(self) -> None:
        self._open.close()

    def send(self, type: str, **payload: Any) -> None:
        self.socket.send(json.dumps({"type": type, "payload": payload, "version": "1.6"}))

    def frame(self, timeout: float = SECONDS) -> dict[str, Any]:
        try:
            heard = self._heard.get(timeout=timeout)
        except Empty:
            raise TimeoutError(f"no frame came within {timeout} s") from None
        if isinstance(heard, ConnectionClosed):
            self._heard.put(heard)
            raise heard
        return cast("dict[str, Any]", json.loads(heard))

    def expect(self, type: str) -> dict[str, Any]:
        frame = self.frame()
        assert frame["type"] == type, frame
        return frame["payload"]

    def listen(self, token: str, **more: Any) -> dict[str, Any]:
        self.send("listen", token=token, browserinfo={"p": "browser"}, **more)
        return self.expect("connected")

    def register(self) -> None:
        self.send("register", media={"audio": True})
        self.expect("ready")

    def unregister(self) -> None:
        self.send("register", media={"audio": False})
        self.expect("offline")

    def silent(self) -> None:
        """Nothing came before the answer to a frame that is sent now: the server answers in order."""
        self.send("dtmf", callsid="CA" + "e" * 32, dtmf="1")
        assert self.expect("error")["error"]["code"] == 31404

    def vanish(self) -> None:
        """The network dies: no close frame."""
        self.socket.socket.shutdown(socket.SHUT_RDWR)
        self.socket.socket.close()

    def closed(self) -> int:
        """The close code, once the server has closed; frames before it are dropped."""
        with suppress(ConnectionClosed):
            while True:
                self.frame()
        return self.socket.close_code or 1006


class PresenceGrant(AccessTokenGrant):
    """How an app's server adds permissions to the official library's tokens."""

    def __init__(self, *permissions: Any) -> None:
        self.permissions = permissions

    @property
    def key(self) -> str:
        return "callrouter"

    def to_payload(self) -> dict[str, Any]:
        return {"permissions": list(self.permissions)}


class Tenant:
    """One account with one key, known to the presence server."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.account, self.key, self.secret = sid("AC"), sid("SK"), uuid4().hex
        self.auth_token = uuid4().hex
        world.client.put_account(self.account, "active", [self.auth_token], 1)
        world.client.put_key(self.account, self.key, self.secret, 1)

    def token(
        self, identity: str, *, incoming: bool = True, outgoing: bool = True, ttl: int = 3600, **params: Any
    ) -> str:
        token = AccessToken(self.account, self.key, self.secret, identity=identity, ttl=ttl)
        grant = VoiceGrant(
            incoming_allow=incoming or None,
            outgoing_application_sid=APPLICATION if outgoing else None,
            outgoing_application_params=params or None,
        )
        token.add_grant(grant)
        return str(token.to_jwt())

    def app(self, identity: str, *, register: bool = True, token: str = "") -> App:
        app = self.world.app()
        app.listen(token or self.token(identity))
        if register:
            app.register()
        return app

    def endpoints(self, identity: str) -> list[str]:
        return [one.endpoint_id for one in self.world.client.presence(self.account, identity).endpoints]

    def ring(
        self, identity: str, endpoints: list[str] | None = None, call_sid: str = "", life: float = 30
    ) -> Any:
        return self.world.client.invite(
            self.account,
            call_sid or sid("CA"),
            identity,
            self.endpoints(identity) if endpoints is None else endpoints,
            sdp=SDP.format("offer"),
            ring_token="ring-token",
            expires_at=time.time() + life,
            parameters={"From": "+15550100", "To": f"client:{identity}"},
        )

    def frame(self, call_sid: str, type: str, **more: Any) -> bool:
        return self.world.client.frame(self.account, call_sid, {"id": uuid4().hex, "type": type, **more})

    def register(self, identity: str, token: str = "", **body: Any) -> requests.Response:
        return requests.post(
            f"{self.world.settings.presence_base()}/v1/Accounts/{self.account}/Clients/{identity}/Registrations",
            json={"endpoint_id": "desk", **body},
            headers={"Authorization": f"Bearer {token or self.token(identity)}"},
            timeout=SECONDS,
        )


class World:
    """A presence server and its router. `start` runs the server on a thread, `spawn` in a process to be killed."""

    def __init__(self, folder: Path, database_url: str = "", **settings: Any) -> None:
        self.router = FakeRouter()
        self.apps: list[App] = []
        self.settings = Settings(
            **{
                "data_dir": folder,
                "presence_database_url": database_url,
                "presence_bind": f"127.0.0.1:{free_port()}",
                "signal_bind": f"127.0.0.1:{free_port()}",
                "router_url": self.router.url,
                "secret_keys": (MASTER,),
                "answer_grace": 1.0,
                "refusals_per_second": 0.0,
                **settings,
            }
        )
        tables.make(self.settings.database_url("presence"), "presence")
        self.client = PresenceClient(self.settings.presence_base(), Keys([MASTER]))
        self._stop: Callable[[], None] = lambda: None
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> "World":
        ready = threading.Event()

        async def main() -> None:
            stop, loop = asyncio.Event(), asyncio.get_running_loop()
            self._stop = lambda: loop.call_soon_threadsafe(stop.set)
            ready.set()
            await run_presence(self.settings, stop)

        self._thread = threading.Thread(target=asyncio.run, args=(main(),), daemon=True)
        self._thread.start()
        assert ready.wait(SECONDS)
        return self._answering()

    def spawn(self) -> "World":
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("CALLROUTER_")
        }
        for name in (
            "data_dir",
            "presence_bind",
            "signal_bind",
            "router_url",
            "answer_grace",
            "refusals_per_second",
        ):
            environment[f"CALLROUTER_{name.upper()}"] = str(getattr(self.settings, name))
        environment["CALLROUTER_SECRET_KEYS"] = MASTER
        environment["CALLROUTER_OUTBOUND_ALLOW"] = ",".join(self.settings.outbound_allow)
        environment["CALLROUTER_PRESENCE_DATABASE_URL"] = self.settings.presence_database_url
        self.process = subprocess.Popen([sys.executable, "-c", PROCESS], env=environment)
        return self._answering()

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(SECONDS)
        self.process = None

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.drained()
        elif self._stop is not None and hasattr(self, "_thread"):
            self._stop()
            self._thread.join(SECONDS + 4)
            assert not self._thread.is_alive()

    def drained(self) -> None:
        """Waits for the end of a process that was told to end."""
        assert self.process is not None
        assert self.process.wait(SECONDS + 4) == 0
        self.process = None

    def close(self) -> None:
        self.hang_up_all()
        self.stop()
        self.client.close()
        self.router.close()

    def app(self, path: str = "/signal", **options: Any) -> App:
        """By the plain listener: Python 3.11 lets no two threads share a TLS socket safely, and this client has two."""
        self.apps.append(App(f"ws://{self.settings.presence_bind}{path}", **options))
        return self.apps[-1]

    def trusting(self) -> ssl.SSLContext:
        """What a client app on this machine needs for the TLS listener."""
        return ssl.create_default_context(cafile=str(self.settings.data_dir / "tls" / "ca.pem"))

    def hang_up_all(self) -> None:
        while self.apps:
            self.apps.pop().close()

    def tenant(self) -> Tenant:
        return Tenant(self)

    def _answering(self) -> "World":
        """Waits for /livez, as long as a process of ours lives that may still answer."""
        ends = time.monotonic() + STARTING
        while True:
            with suppress(requests.ConnectionError):
                answer = requests.get(f"{self.settings.presence_base()}/livez", timeout=SECONDS)
                assert answer.status_code == 200
                return self
            assert self.process is None or self.process.poll() is None, "the server ended"
            assert time.monotonic() < ends, f"the server does not answer after {STARTING} s"
            time.sleep(0.05)


PROCESS = """
import asyncio
from foundation.settings import load
from foundation.webserver.serve import stop_on_signals
from presence.server import run_presence
async def main():
    await run_presence(load(), stop_on_signals())
asyncio.run(main())
"""

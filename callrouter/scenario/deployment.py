"""A callrouter of one's own: its processes, a folder that is forgotten, an account for each trial."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Self, TypeVar

import requests
from sqlalchemy import Connection, select

from callrouter import models
from callrouter.directory import accounts, carriers, credentials, keys
from callrouter.directory.credentials import seal
from callrouter.processes import SUPERVISED
from callrouter.scenario.faults import CannotPlay
from callrouter.scenario.ports import free_ports
from foundation.db import Database
from foundation.keys import Keys
from foundation.sids import ACCOUNT, API_KEY, CARRIER, new_sid
from migrations import runner
from migrations.runner import Server

T = TypeVar("T")

NAMES = ("presence", "media", "voice", "router")
CARRIER_NAME = "simulator"
START_SECONDS, STOP_SECONDS, WRITE_SECONDS = 60.0, 20.0, 30.0
ENGINES = ("CALLROUTER_SPEECH_ENGINE", "CALLROUTER_RECOGNITION_ENGINE", "CALLROUTER_HOLD_MUSIC")
"""Of the operator's settings, those that a deployment of its own has too."""
RTP_FIRST, RTP_PORTS, RTP_RANGES = 20_000, 200, 200


@cache
def _tables() -> Mapping[str, bytes]:
    """Each server's database as it is before anything is in it; made once, because that takes as long as a call."""
    folders: Mapping[str, Server] = {"router": "callrouter", "presence": "presence"}
    with tempfile.TemporaryDirectory(prefix="callrouter-tables-") as kept:
        for server, folder in folders.items():
            runner.upgrade(f"sqlite:///{kept}/{server}.sqlite3", folder)
        return {server: Path(kept, f"{server}.sqlite3").read_bytes() for server in folders}


@dataclass(frozen=True, kw_only=True)
class Tenant:
    """An account, as its owner holds it."""

    sid: str
    auth_token: str = field(repr=False)
    key: keys.Key
    key_secret: str = field(repr=False)


class LocalDeployment:
    """Four processes on SQLite in a temporary folder, which reach this machine only. A context manager.

    The processes end with this one, however it ends. `settings`: further ones, by their names.
    """

    def __init__(self, **settings: object) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="callrouter-scenario-")
        self.folder = Path(self._folder.name)
        ports = free_ports(7)
        first_rtp = RTP_FIRST + ports[0] % RTP_RANGES * RTP_PORTS
        secret = secrets.token_urlsafe(32)
        self.router_url, self.presence_url, self._media_url = (
            f"http://127.0.0.1:{port}" for port in (ports[0], ports[1], ports[5])
        )
        self._voice = ports[3]
        self.signal = f"localhost:{ports[2]}"
        self.carrier_address = f"127.0.0.1:{ports[6]}"
        """where the simulated carrier takes commands"""
        values = {
            "data_dir": self.folder,
            "secret_keys": secret,
            "router_bind": f"127.0.0.1:{ports[0]}",
            "presence_bind": f"127.0.0.1:{ports[1]}",
            "signal_bind": f"127.0.0.1:{ports[2]}",
            "voice_control": f"127.0.0.1:{ports[3]}",
            "voice_webrtc_port": ports[4],
            "media_bind": f"127.0.0.1:{ports[5]}",
            "voice_rtp_ports": f"{first_rtp}-{first_rtp + RTP_PORTS - 1}",
            "outbound_allow": "127.0.0.0/8,localhost",
            "log_level": "warning",
            **settings,
        }
        ours = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("CALLROUTER_") or name in ENGINES
        }
        said = {f"CALLROUTER_{name.upper()}": str(value) for name, value in values.items()}
        self._environment = {**ours, **said, SUPERVISED: "1"}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.keys = Keys([secret])
        self._database: Database | None = None
        self.carrier_secret = credentials.new_secret()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def authority(self) -> Path:
        """The certificate authority of its wss address."""
        return self.folder / "tls" / "ca.pem"

    @property
    def database(self) -> Database:
        assert self._database is not None, "start() comes first"
        return self._database

    # -- processes

    def start(self) -> None:
        """Returns when all processes serve. CannotPlay, with what they logged, when one does not."""
        for server, tables in _tables().items():
            (self.folder / f"{server}.sqlite3").write_bytes(tables)
        self._database = Database(f"sqlite:///{self.folder}/router.sqlite3")
        for name in NAMES:
            with (self.folder / f"{name}.log").open("ab") as log:
                self._processes[name] = subprocess.Popen(  # noqa: S603 - ourselves
                    [sys.executable, "-m", "callrouter", "run", name],
                    env=self._environment,
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        self.wait_until(lambda: all(map(self._serves, NAMES)), "the processes serve", START_SECONDS)
        sealed = self.keys.seal(self.carrier_secret)
        self.write(
            lambda connection: carriers.create(
                connection,
                name=CARRIER_NAME,
                sid=new_sid(CARRIER),
                control_url=f"http://{self.carrier_address}/{CARRIER_NAME}",
                secret_sealed=sealed,
                now=time.time(),
            )
        )

    def close(self) -> None:
        """Ends the processes and forgets the folder. Idempotent."""
        processes, self._processes = self._processes, {}
        for process in processes.values():
            process.send_signal(signal.SIGTERM)
        ends = time.monotonic() + STOP_SECONDS
        for process in processes.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, ends - time.monotonic()))
        for process in processes.values():
            process.kill()
            process.wait()
            if process.stdin:
                process.stdin.close()
        if self._database is not None:
            self._database.close()
            self._database = None
        self._folder.cleanup()

    def log(self, name: str) -> str:
        """What a process said last."""
        path = self.folder / f"{name}.log"
        return path.read_text(errors="replace")[-3000:].strip() if path.exists() else ""

    def logs(self) -> str:
        """What the processes complained of."""
        return "\n".join(f"{name}: {line}" for name in NAMES for line in self.log(name).splitlines())

    def wait_until(self, true: Callable[[], T], what: str, seconds: float = WRITE_SECONDS) -> T:
        """Polls; CannotPlay when it does not become true."""
        ends = time.monotonic() + seconds
        while not (value := true()):
            if time.monotonic() > ends:
                raise CannotPlay(
                    f"callrouter did not get so far within {seconds:.0f} s: {what}\n{self.logs()}"
                )
            time.sleep(0.02)
        return value

    def _serves(self, name: str) -> bool:
        process = self._processes[name]
        if process.poll() is not None:
            raise CannotPlay(f"the process {name} ended with {process.returncode}:\n{self.log(name)}")
        try:
            if name == "voice":
                socket.create_connection(("127.0.0.1", self._voice), 1).close()
                return True
            urls = {"router": self.router_url, "presence": self.presence_url, "media": self._media_url}
            with requests.Session() as http:
                http.trust_env = False
                return http.get(f"{urls[name]}/livez", timeout=1).ok
        except OSError:
            return False

    # -- what is in it

    def write(self, unit: Callable[[Connection], T]) -> T:
        try:
            return self.database.write(unit).result(WRITE_SECONDS)
        except FutureTimeout:
            raise CannotPlay(
                f"the database did not answer within {WRITE_SECONDS:.0f} s: is this machine too busy?"
            ) from None

    def rows(self, model: Any, *where: Any, order: str | None = None) -> list[Any]:
        query = select(model.__table__).where(*where)
        if order is not None:
            query = query.order_by(model.__table__.c[order])
        with self.database.read() as connection:
            return list(connection.execute(query))

    def tenant(self) -> Tenant:
        """A fresh account with an API key, which the presence server knows."""
        sid, key_sid, now = new_sid(ACCOUNT), new_sid(API_KEY), time.time()
        auth_token, key_secret = credentials.new_secret(), credentials.new_secret()
        of_account, of_key = seal(self.keys, auth_token), seal(self.keys, key_secret)

        def unit(connection: Connection) -> keys.Key:
            accounts.create(connection, sid=sid, friendly_name="Trial", credential=of_account, now=now)
            return keys.create(connection, account_sid=sid, sid=key_sid, credential=of_key, now=now)

        made = Tenant(sid=sid, auth_token=auth_token, key=self.write(unit), key_secret=key_secret)
        announced = models.Outbox.account_sid == sid
        self.wait_until(
            lambda: not self.rows(models.Outbox, announced), "the presence server knows the account"
        )
        return made

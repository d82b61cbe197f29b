"""A whole deployment for scenario tests: four real processes, their databases, and what a test needs to use them.

Nothing is faked on our side. Each test takes an account of its own, so tests share processes without meeting.
"""

from __future__ import annotations

import itertools
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import requests
from sqlalchemy import create_engine, select
from sqlalchemy.pool import NullPool
from twilio.jwt.access_token import AccessToken
from twilio.jwt.access_token.grants import VoiceGrant
from twilio.rest import Client

from callrouter import models
from callrouter.carriers.simulator.gateway import SimulatedCarrier
from callrouter.carriers.simulator.script import DialScript
from callrouter.directory import accounts, applications, carriers, credentials, keys, numbers
from callrouter.phone.phone import Phone
from callrouter.scenario.ports import free_ports
from foundation.db import Database
from foundation.keys import Keys
from foundation.sids import ACCOUNT, API_KEY, APPLICATION, CARRIER, PHONE_NUMBER, new_sid
from presence.models import calls, invites
from tests.support import tables

T = TypeVar("T")

PATIENCE = 30.0
"""Seconds for what must happen, however busy the machine is. It costs nothing where it happens at once, and is shorter
than the time for which a `<Dial>` rings by default, so that no such end is taken for the one that a test waits for."""
SECRET_KEY = "a master key that only the tests know about"
_numbers = itertools.count(2_000)


@dataclass(kw_only=True)
class Tenant:
    """An account as its owner holds it."""

    deployment: Deployment
    sid: str
    auth_token: str = field(repr=False)
    key_sid: str
    key_secret: str = field(repr=False)

    @property
    def rest(self) -> Client:
        """The official library, pointed at us by its base URL."""
        client = Client(self.sid, self.auth_token)
        client.api.base_url = self.deployment.router_url
        return client

    def number(self, voice_url: str = "", **settings: Any) -> str:
        """A phone number of this account that nobody else has."""
        phone_number = f"+1415200{next(_numbers)}"
        sid, values = new_sid(PHONE_NUMBER), {"voice_url": voice_url, **settings}
        self.deployment.write(
            lambda connection: numbers.create(
                connection,
                account_sid=self.sid,
                sid=sid,
                phone_number=phone_number,
                settings=values,
                now=time.time(),
            )
        )
        return phone_number

    def application(self, voice_url: str, **settings: Any) -> str:
        sid, values = new_sid(APPLICATION), {"friendly_name": "app", "voice_url": voice_url, **settings}
        self.deployment.write(
            lambda connection: applications.create(
                connection, account_sid=self.sid, sid=sid, settings=values, now=time.time()
            )
        )
        return sid

    def token(self, identity: str, *, app: str | None = None, incoming: bool = True, ttl: int = 3600) -> str:
        """An access token as the official library makes it."""
        token = AccessToken(self.sid, self.key_sid, self.key_secret, identity=identity, ttl=ttl)
        token.add_grant(VoiceGrant(outgoing_application_sid=app, incoming_allow=incoming or None))
        return str(token.to_jwt())

    def phone(self, identity: str, *, app: str | None = None, **options: Any) -> Phone:
        deployment = self.deployment
        return Phone(deployment.signal, self.token(identity, app=app), ca=deployment.ca, **options)


class Deployment:
    """Processes of one data directory. `start`, `kill` and `stop` take the names of processes."""

    def __init__(
        self, folder: Path, *, router_database: str = "", presence_database: str = "", **settings: object
    ) -> None:
        ports = free_ports(6)
        self.folder = folder
        self.router_url = f"http://127.0.0.1:{ports[0]}"
        self.presence_url = f"http://127.0.0.1:{ports[1]}"
        self.media_url = f"http://127.0.0.1:{ports[5]}"
        self.signal = f"localhost:{ports[2]}"
        self.ca = folder / "tls" / "ca.pem"
        first_rtp = 20_000 + (ports[0] % 200) * 200
        values = {
            "data_dir": folder,
            "secret_keys": SECRET_KEY,
            "router_bind": f"127.0.0.1:{ports[0]}",
            "presence_bind": f"127.0.0.1:{ports[1]}",
            "signal_bind": f"127.0.0.1:{ports[2]}",
            "voice_control": f"127.0.0.1:{ports[3]}",
            "voice_webrtc_port": ports[4],
            "media_bind": f"127.0.0.1:{ports[5]}",
            "voice_rtp_ports": f"{first_rtp}-{first_rtp + 199}",
            "outbound_allow": "127.0.0.0/8",
            "router_database_url": router_database or f"sqlite:///{folder}/router.sqlite3",
            "presence_database_url": presence_database or f"sqlite:///{folder}/presence.sqlite3",
            "log_format": "console",
            **settings,
        }
        self.environment = {f"CALLROUTER_{name.upper()}": str(value) for name, value in values.items()}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        tables.make(self.environment["CALLROUTER_ROUTER_DATABASE_URL"], "callrouter")
        tables.make(self.environment["CALLROUTER_PRESENCE_DATABASE_URL"], "presence")
        self.database = Database(self.environment["CALLROUTER_ROUTER_DATABASE_URL"])
        self.presence_database = create_engine(
            self.environment["CALLROUTER_PRESENCE_DATABASE_URL"], poolclass=NullPool
        )
        self.keys = Keys([SECRET_KEY])

    # -- processes

    def start(self, *names: str, environment: Mapping[str, str] | None = None) -> None:
        """Starts processes and waits until they answer."""
        for name in names:
            with (self.folder / f"{name}.log").open("ab") as log:
                self.processes[name] = subprocess.Popen(
                    [sys.executable, "-m", "callrouter", "run", name],
                    env={**os.environ, **self.environment, **(environment or {})},
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        for name in names:
            self.wait_until(lambda name=name: self._answers(name), f"{name} is up")  # type: ignore[misc]

    def kill(self, name: str) -> None:
        """SIGKILL: the process has no last word."""
        process = self.processes.pop(name)
        process.kill()
        process.wait(PATIENCE)

    def stop(self, *names: str) -> None:
        """SIGTERM, to all of them at once, and waits until they are gone."""
        stopping = {name: self.processes.pop(name) for name in names or list(self.processes)}
        for process in stopping.values():
            process.send_signal(signal.SIGTERM)
        for name, process in stopping.items():
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                for each in stopping.values():
                    each.kill()
                    each.wait(PATIENCE)
                raise AssertionError(f"{name} did not stop on SIGTERM:\n{self.log(name)}") from None

    def close(self) -> None:
        try:
            self.stop()
        finally:
            self.database.close()

    def log(self, name: str) -> str:
        path = self.folder / f"{name}.log"
        return path.read_text(errors="replace")[-6000:] if path.exists() else ""

    def _answers(self, name: str) -> bool:
        process = self.processes[name]
        if process.poll() is not None:
            raise AssertionError(f"{name} ended with {process.returncode}:\n{self.log(name)}")
        host, _, port = self.environment["CALLROUTER_VOICE_CONTROL"].partition(":")
        urls = {"router": self.router_url, "presence": self.presence_url, "media": self.media_url}
        try:
            if name == "voice":
                socket.create_connection((host, int(port)), 1).close()
                return True
            return requests.get(f"{urls[name]}/livez", timeout=1).ok
        except OSError:
            return False

    def wait_until(self, true: Callable[[], T], what: str, patience: float = PATIENCE) -> T:
        """Polls until something is true; the processes' logs are in the failure."""
        ends = time.monotonic() + patience
        while not (value := true()):
            if time.monotonic() > ends:
                logs = "\n".join(
                    f"--- {name}\n{self.log(name)}" for name in ("router", "presence", "media", "voice")
                )
                raise AssertionError(f"not within {patience} s: {what}\n{logs}")
            time.sleep(0.02)
        return value

    # -- what is in it

    def write(self, unit: Callable[[Any], T]) -> T:
        return self.database.write(unit).result(PATIENCE)

    def rows(self, model: Any, *where: Any) -> list[Any]:
        with self.database.read() as connection:
            return list(connection.execute(select(model.__table__).where(*where)))

    def tenant(self) -> Tenant:
        """A fresh account with an API key, known to the presence server."""
        sid, token, key_sid, secret = new_sid(ACCOUNT), new_sid("")[:32], new_sid(API_KEY), new_sid("")[:32]
        now = time.time()

        def unit(connection: Any) -> None:
            credential = credentials.seal(self.keys, token)
            accounts.create(connection, sid=sid, friendly_name="Tenant", credential=credential, now=now)
            sealed = credentials.seal(self.keys, secret)
            keys.create(connection, account_sid=sid, sid=key_sid, credential=sealed, now=now)

        self.write(unit)
        if "presence" in self.processes and "router" in self.processes:
            announced = models.Outbox.account_sid == sid
            self.wait_until(lambda: not self.rows(models.Outbox, announced), "presence knows the account")
        return Tenant(deployment=self, sid=sid, auth_token=token, key_sid=key_sid, key_secret=secret)

    def carrier(self, **options: Any) -> SimulatedCarrier:
        """A simulated carrier that this deployment knows; start it as a context manager, then `adopt` it."""
        name = f"sim{next(_numbers)}"
        return SimulatedCarrier(name, f"secret of {name} 0123456789abcdef", self.router_url, **options)

    def adopt(self, carrier: SimulatedCarrier) -> None:
        """Makes a started carrier known to the operator's database, in place of those before it."""

        def unit(connection: Any) -> None:
            for other in connection.execute(carriers.listed()).all():
                if other.status == "active":
                    carriers.change(connection, other.name, now=time.time(), status=carriers.Status.DISABLED)
            self._create(connection, carrier)

        self.write(unit)

    def join(self, carrier: SimulatedCarrier) -> None:
        """Makes it known beside those before it."""
        self.write(lambda connection: self._create(connection, carrier))

    def _create(self, connection: Any, carrier: SimulatedCarrier) -> None:
        carriers.create(
            connection,
            name=carrier.name,
            sid=new_sid(CARRIER),
            control_url=carrier.control_url,
            secret_sealed=self.keys.seal(carrier.secret),
            now=time.time(),
        )

    def nothing_live(self, tenant: Tenant) -> bool:
        """No session, timer, or command is left of this account (reliability-security I6)."""
        mine = [
            model
            for model in (models.Session, models.Timer)
            if self.rows(model, model.account_sid == tenant.sid)
        ]
        return not mine

    def held_by_presence(self, tenant: Tenant) -> list[str]:
        """Calls that ring, or belong to a client, as far as the presence server knows."""
        ringing = select(invites.c.call_sid).where(
            invites.c.account_sid == tenant.sid, invites.c.state == "ringing"
        )
        bound = select(calls.c.call_sid).where(calls.c.account_sid == tenant.sid)
        with self.presence_database.connect() as connection:
            return [sid for query in (ringing, bound) for sid in connection.execute(query).scalars()]


def deployments(folder: Path, **options: Any) -> Iterator[Deployment]:
    """A running deployment, for a fixture."""
    deployment = Deployment(folder, **options)
    try:
        deployment.start("presence", "media", "voice", "router")
        yield deployment
    finally:
        deployment.close()


__all__ = ["Deployment", "DialScript", "Tenant", "deployments"]

"""Many messages to a few phones through three carriers, and what must be true of them whatever was killed meanwhile."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from sqlalchemy import select

from callrouter import models
from callrouter.directory import carriers
from foundation.sids import CARRIER, new_sid
from tests.support.deployment import PATIENCE, Deployment, Tenant

WINDOW = 10
"""Messages under way to one carrier at once."""
APPS = 4
"""REST clients at once; each has phones of its own, so that there is an order to keep."""
PHONES = [f"+1415555{number:04}" for number in range(40)]
SECRET = "the secret of all carriers of a flood"


@dataclass(frozen=True, kw_only=True)
class Took:
    """A carrier took a message, at a Unix time. `delivered`: whether it reached its phone."""

    carrier: str
    id: str
    to: str
    body: str
    delivered: bool
    at: float


@dataclass
class Carrier:
    """A process of its own."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    control_url: str = ""
    killed: bool = False

    def took(self) -> list[Took]:
        """What it had taken; a last line that it did not end was not answered either."""
        whole = self.log.read_text().rpartition("\n")[0].splitlines()[1:]
        return [Took(carrier=self.name, **json.loads(line)) for line in whole]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE)
        self.killed = True


@contextmanager
def carrier(
    deployment: Deployment, folder: Path, name: str, *, seed: int = 0, rate: float = 0.0, **texting: Any
) -> Iterator[Carrier]:
    """A running one that the router knows beside others. `rate`: what the operator thinks that it takes in a second."""
    settings = {"name": name, "secret": SECRET, "router_url": deployment.router_url, "seed": seed}
    command = [sys.executable, str(Path(__file__).with_name("carrier_process.py"))]
    log = folder / f"{name}.log"
    with log.open("wb") as out:
        process = subprocess.Popen([*command, json.dumps({**settings, "texting": texting})], stdout=out)
    running = Carrier(name, process, log)
    try:
        deployment.wait_until(lambda: "\n" in log.read_text(), f"{name} listens")
        running.control_url = log.read_text().splitlines()[0]
        known(deployment, name, running.control_url, message_rate=rate, message_window=WINDOW)
        yield running
    finally:
        running.kill()
        deployment.write(
            lambda connection: carriers.change(
                connection, name, now=time.time(), status=carriers.Status.DISABLED
            )
        )


def known(deployment: Deployment, name: str, control_url: str, **limits: Any) -> None:
    sealed = deployment.keys.seal(SECRET)
    deployment.write(
        lambda connection: carriers.create(
            connection,
            name=name,
            sid=new_sid(CARRIER),
            control_url=control_url,
            secret_sealed=sealed,
            now=time.time(),
            **limits,
        )
    )


@dataclass
class Flood:
    """`sids` of the messages that were acknowledged, by their bodies."""

    tenant: Tenant
    from_: str
    sids: dict[str, str] = field(default_factory=dict)

    def send(self, total: int) -> None:
        """As careful apps do: each request again under its key until it is answered, and then the next one."""
        with ThreadPoolExecutor(APPS) as apps:
            for done in [apps.submit(self._app, total // APPS, PHONES[app::APPS]) for app in range(APPS)]:
                done.result()

    def _app(self, total: int, phones: list[str]) -> None:
        with requests.Session() as session:
            for number, phone in zip(range(total), itertools.cycle(phones), strict=False):
                body = f"{phone} {number}"
                self.sids[body] = self._create(session, phone, body)

    def _create(self, session: requests.Session, to: str, body: str) -> str:
        tenant, ends = self.tenant, time.monotonic() + 3 * PATIENCE
        url = f"{tenant.deployment.router_url}/2010-04-01/Accounts/{tenant.sid}/Messages.json"
        while True:
            try:
                answer = session.post(
                    url,
                    data={"From": self.from_, "To": to, "Body": body},
                    headers={"Idempotency-Key": body.replace(" ", "-")},
                    auth=(tenant.sid, tenant.auth_token),
                    timeout=20,
                )
                if answer.status_code == 201:
                    return str(answer.json()["sid"])
                assert answer.status_code in (429, 503), answer.text
                refusal = answer.text
            except requests.RequestException as error:
                refusal = str(error)
            assert time.monotonic() < ends, f"nobody takes {body!r}: {refusal}"
            time.sleep(0.1)  # as an app would between two tries

    # -- what came of it

    def reported(self, carriers: list[Carrier]) -> bool:
        """Every message has left, and what living carriers took has its report."""
        table = models.Message.__table__.c
        query = select(table.sid, table.status).where(
            table.account_sid == self.tenant.sid, table.status.not_in(("delivered", "undelivered"))
        )
        with self.tenant.deployment.database.read() as connection:
            open_ = {row.sid: row.status for row in connection.execute(query)}
        silent = {took.id for one in carriers if one.killed for took in one.took()}
        return set(open_.values()) <= {"sent"} and set(open_) <= silent

    def left(self) -> bool:
        """Every message has left its queue."""
        mine = models.QueuedMessage.account_sid == self.tenant.sid
        return not self.tenant.deployment.rows(models.QueuedMessage, mine)

    def check(self, carriers: list[Carrier], *, deaths: int) -> str:
        """PQ-4, PQ-5, I5; answers with what is to be told about it."""
        mine = models.Message.account_sid == self.tenant.sid
        rows = {row.sid: row for row in self.tenant.deployment.rows(models.Message, mine)}
        assert set(rows) == set(self.sids.values()), "one message for each key that was acknowledged"
        assert len(rows) == len(self.sids)
        taken: dict[str, list[Took]] = defaultdict(list)
        for took in sorted((took for one in carriers for took in one.took()), key=lambda took: took.at):
            taken[took.id].append(took)
        marked = {sid for sid, row in rows.items() if row.possible_duplicate}
        assert set(rows) <= set(taken), f"lost: {[_told(rows[sid]) for sid in set(rows) - set(taken)]}"
        twice = {sid for sid, times in taken.items() if len(times) > 1}
        assert twice <= marked, (
            f"accepted twice without a mark: {[_told(rows[sid]) for sid in twice - marked]}"
        )
        assert len(marked) <= deaths * WINDOW * len(carriers), "more than was under way when something died"
        self._ordered([each for times in taken.values() for each in times])
        dead = {one.name for one in carriers if one.killed}
        for sid, row in rows.items():
            said = {"delivered" if took.delivered else "undelivered" for took in taken[sid]}
            silent = {"sent"} if dead & {took.carrier for took in taken[sid]} else set()
            assert row.status in said | silent, f"{_told(row)}, but {taken[sid]}"
        outbox = models.Outbox.account_sid == self.tenant.sid
        assert not self.tenant.deployment.rows(models.Outbox, outbox)
        return f"{len(rows)} messages, {deaths} deaths: {len(marked)} marked, {len(twice)} accepted twice"

    def _ordered(self, taken: list[Took]) -> None:
        for phone in PHONES:
            ours = sorted((took for took in taken if took.to == phone), key=lambda took: took.at)
            order = [int(took.body.split()[1]) for took in ours]
            assert order == sorted(order), f"{phone} got {order}"


def _told(row: Any) -> str:
    return f"{row.sid} to {row.to}: {row.body!r} is {row.status} {row.error_code or ''} at {row.carrier}"

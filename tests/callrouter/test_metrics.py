"""What a router counts, when it is ready, and who may look."""

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask
from prometheus_client import CollectorRegistry, generate_latest
from sqlalchemy import insert

from callrouter import models
from callrouter.calls.front import Front
from callrouter.metrics import calls, readiness
from callrouter.metrics.readiness import Draining
from callrouter.metrics.router import RouterState
from callrouter.models import Base
from foundation.db import Database
from foundation.outbound.errors import Fault, TimeOver
from foundation.outbound.pool import FetchPool
from foundation.settings import Settings
from foundation.webserver.errors import ApiError, handle_errors
from foundation.webserver.health import health, remembered

NOW = 1_000.0
ENTRY = {
    "account_sid": "AC1",
    "call_sid": "CA1",
    "lane": "a",
    "position": 1,
    "kind": "fetch",
    "payload": {},
    "attempts": 0,
    "owner": "router-1",
    "created_at": 900.0,
}
QUEUED = {
    "account_sid": "AC1",
    "lane": "a",
    "prefix": "+1",
    "kind": "sms",
    "segments": 1,
    "state": "waiting",
    "due_at": 900.0,
    "valid_until": 9_000.0,
}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path}/router.sqlite3")
    Base.metadata.create_all(database.writer_engine)
    yield database
    database.close()


def leg(status: str) -> Any:
    return SimpleNamespace(status=SimpleNamespace(value=status), live=status != "completed")


def engine(*statuses: str, held_until: float = NOW + 20) -> Any:
    session = SimpleNamespace(legs={str(n): leg(status) for n, status in enumerate(statuses)})
    return SimpleNamespace(now=lambda: NOW, held_until=held_until, sessions=lambda: [session])


def state(database: Database, **more: Any) -> RouterState:
    values: dict[str, Any] = {
        "engine": engine("ringing", "in-progress", "in-progress", "completed"),
        "dispatcher": SimpleNamespace(waiting=3),
        "voice": SimpleNamespace(up=True),
        "pools": {},
        "checks": {"database": lambda: None, "voice": lambda: "no voice node"},
    }
    return RouterState(database=database, **{**values, **more})


def scraped(state: RouterState) -> dict[str, float]:
    registry = CollectorRegistry()
    registry.register(state)
    lines = generate_latest(registry).decode().splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[0] != "#")}


def test_a_scrape_tells_of_calls_outbox_queues_and_lease(database: Database) -> None:
    def fill(connection: Any) -> None:
        for name, due_at in (("1", 950.0), ("2", 2_000.0)):
            connection.execute(insert(models.Outbox).values({**ENTRY, "id": name, "due_at": due_at}))
        for number, carrier in enumerate(("acme", "acme", "zeta")):
            row = {**QUEUED, "carrier": carrier, "message_sid": f"SM{number}", "enqueued_at": 970.0 - number}
            connection.execute(insert(models.QueuedMessage).values(row))
        health = {"carrier": "acme", "breaker": "open", "date_updated": NOW}
        connection.execute(insert(models.CarrierHealth).values(health))

    database.write(fill).result(10)
    values = scraped(state(database))
    assert values['callrouter_calls{status="in-progress"}'] == 2
    assert values['callrouter_calls{status="ringing"}'] == 1
    assert values['callrouter_calls{status="queued"}'] == 0
    assert values["callrouter_outbox_entries"] == 2
    assert values["callrouter_outbox_oldest_seconds"] == 50
    assert values["callrouter_outbox_in_hand"] == 3
    assert values['callrouter_message_queue_messages{carrier="acme"}'] == 2
    assert values['callrouter_message_queue_oldest_seconds{carrier="acme"}'] == 31
    assert values['callrouter_carrier_breaker{carrier="acme"}'] == 1
    assert values["callrouter_lease_seconds"] == 20
    assert values['callrouter_check_ok{check="voice"}'] == 0
    assert values['callrouter_check_ok{check="database"}'] == 1


def test_a_database_that_is_away_leaves_the_rest(database: Database, tmp_path: Path) -> None:
    away = Database(f"sqlite:///{tmp_path}/no/such/folder/router.sqlite3")
    values = scraped(state(away))
    assert values['callrouter_calls{status="ringing"}'] == 1
    assert "callrouter_outbox_entries" not in values
    away.close()


def test_outcomes_of_webhooks_are_classes_and_codes() -> None:
    fault = TimeOver(11205, "it took too long", fault=Fault.ORIGIN)
    for answer in (SimpleNamespace(status=204), SimpleNamespace(status=503), fault):
        calls.asked("a kind of tests", answer, 0.2)  # type: ignore[arg-type]
    seen = {
        sample.labels["outcome"]
        for metric in calls.WEBHOOKS.collect()
        for sample in metric.samples
        if sample.labels["kind"] == "a kind of tests"
    }
    assert seen == {"2xx", "5xx", "11205"}


# -- readiness


def checked(database: Database, **more: Any) -> dict[str, str | None]:
    draining = Draining()
    made = readiness.checks(
        database,
        more.get("engine", engine()),
        SimpleNamespace(up=more.get("up", True)),  # type: ignore[arg-type]
        draining,
    )
    if more.get("stopping"):
        draining.begin()
    return {name: check() for name, check in made.items()}


def test_readiness_says_which(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness.revisions, "current", lambda *_: readiness.revisions.head("callrouter"))
    assert set(checked(database).values()) == {None}
    assert "takes no new calls" in str(checked(database, stopping=True)["draining"])
    assert "no voice node" in str(checked(database, up=False)["voice"])
    assert "lost its lease" in str(checked(database, engine=engine(held_until=NOW - 1))["lease"])
    entry = {**ENTRY, "id": "1", "due_at": NOW - 90}
    database.write(lambda c: c.execute(insert(models.Outbox).values(entry))).result(10)
    assert "90 s overdue" in str(checked(database)["outbox"])
    monkeypatch.setattr(readiness.revisions, "current", lambda *_: "9999")
    assert "a newer release made" in str(checked(database)["tables"])
    monkeypatch.setattr(readiness.revisions, "current", lambda *_: "0001")
    assert "run `callrouter db upgrade`" in str(checked(database)["tables"])


def test_peers_that_are_away_are_warnings() -> None:
    away = Settings(presence_url="http://127.0.0.1:9", media_url="http://127.0.0.1:9")
    app = Flask("warned")
    app.register_blueprint(health({}, warnings=readiness.warnings(away)))
    answer = app.test_client().get("/readyz")
    assert answer.status_code == 200
    assert set(answer.get_json()["warnings"]) == {"presence", "media"}
    assert "CALLROUTER_PRESENCE_URL" in answer.get_json()["warnings"]["presence"]


def test_a_costly_check_is_made_once() -> None:
    made: list[int] = []
    check = remembered(lambda: made.append(1) or "a fault", 60)  # type: ignore[func-returns-value]
    threads = [threading.Thread(target=check) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert check() == "a fault"
    assert len(made) == 1


# -- who may look


@pytest.mark.parametrize(
    ("token", "address", "headers", "status"),
    [
        pytest.param("", "127.0.0.1", {}, 200, id="this machine"),
        pytest.param("", "::1", {}, 200, id="this machine by IPv6"),
        pytest.param("", "192.0.2.1", {}, 403, id="another machine"),
        pytest.param("", "127.0.0.1", {"X-Forwarded-For": "192.0.2.1"}, 403, id="through a proxy"),
        pytest.param("secret é", "127.0.0.1", {}, 401, id="no token"),
        pytest.param("secret", "192.0.2.1", {"Authorization": "Bearer secret"}, 200, id="token"),
        pytest.param("secret", "127.0.0.1", {"Authorization": "Bearer Secret"}, 401, id="wrong token"),
    ],
)
def test_metrics_are_for_this_machine_or_for_a_token(
    token: str, address: str, headers: dict[str, str], status: int
) -> None:
    app = Flask("measured")
    handle_errors(app)
    app.register_blueprint(health({}, metrics_token=token))
    answer = app.test_client().get("/metrics", headers=headers, environ_base={"REMOTE_ADDR": address})
    assert answer.status_code == status
    assert ("http_requests_total" in answer.text) == (status == 200)


def test_requests_are_counted_by_route_and_never_by_what_clients_write() -> None:
    app = Flask("counted")
    handle_errors(app)
    app.register_blueprint(health({}))
    http = app.test_client()
    for path in ("/livez", "/secret-of-a-customer"):
        http.get(path)
        http.open(path, method="BREW")
    text = http.get("/metrics").text
    assert 'callrouter_http_requests_total{method="GET",route="/livez",status="200"}' in text
    assert 'method="other",route="none"' in text
    assert "secret-of-a-customer" not in text
    assert "BREW" not in text


# -- stopping


def test_a_router_that_stops_refuses_new_calls() -> None:
    loop = asyncio.new_event_loop()
    front = Front(None, None, loop)  # type: ignore[arg-type]
    front.stopping = True
    for ask in (lambda: front.create(None, None, None), lambda: front.place(None)):  # type: ignore[arg-type]
        with pytest.raises(ApiError) as refused:
            ask()
        assert (refused.value.status, refused.value.headers) == (503, {"Retry-After": "2"})
    loop.close()


# -- pools


class Hangs:
    """A customer's server that does not answer until it is let go."""

    def __init__(self) -> None:
        self.let_go = threading.Event()

    def fetch(self, request: Any, *, started: float | None = None) -> Any:
        self.let_go.wait(20)
        return request

    def close(self) -> None:
        self.let_go.set()


def test_no_account_holds_more_than_half_a_pool() -> None:
    async def story() -> None:
        hangs = Hangs()
        pool = FetchPool(hangs, threads=6)
        fetches = [asyncio.create_task(pool.fetch("AC1", None)) for _ in range(10)]  # type: ignore[arg-type]
        ends = time.monotonic() + 10
        while pool.load.running < 3 and time.monotonic() < ends:
            await asyncio.sleep(0.01)
        assert (pool.load.running, pool.load.waiting) == (3, 7)
        other = asyncio.create_task(pool.fetch("AC2", None))  # type: ignore[arg-type]
        while pool.load.running < 4 and time.monotonic() < ends:
            await asyncio.sleep(0.01)
        assert (pool.load.running, pool.load.waiting) == (4, 7)
        hangs.let_go.set()
        await asyncio.gather(other, *fetches)
        await pool.close()

    asyncio.run(story())

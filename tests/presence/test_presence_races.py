"""Registrations in the same instant: a hundred racers a round, exactly one winner in each (PR-18).

A few rounds by default, a thousand with `-m slow`. The race of accepts is in tests/scenarios: it needs a router.
"""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from presence_world import World, sid
from sqlalchemy import select

from foundation.db import Database
from foundation.keys import Keys
from presence.access.directory import Directory
from presence.joining import Accepted
from presence.models import changes, clients, endpoints
from presence.registration import Endpoint, StaleVersion
from presence.store import Store
from tests.support import tables
from tests.support.racers import Racers, request

RACERS = 100
SERVERS = 4  # as many processes share a PostgreSQL database; SQLite has one
NOW = 1_800_000_000.0
FEW, MANY = 4, 1_000
ROUNDS = pytest.mark.parametrize("rounds", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])


@dataclass
class Field:
    """Several stores on one database, as several processes have them."""

    databases: list[Database]
    stores: list[Store]
    account: str

    def race(self, ask: Callable[[Store, int], Accepted]) -> list[Accepted | StaleVersion]:
        """What each racer got, all let go by one barrier."""
        gate = threading.Barrier(RACERS)

        def run(n: int) -> Accepted | StaleVersion:
            gate.wait(30)
            try:
                return ask(self.stores[n % len(self.stores)], n)
            except StaleVersion as stale:
                return stale

        with ThreadPoolExecutor(RACERS) as pool:
            return list(pool.map(run, range(RACERS)))

    def rows(self, table: Any, client: str) -> list[Any]:
        with self.databases[0].read() as connection:
            return list(connection.execute(select(table).where(table.c.client == client)))

    def asked(self, client: str, endpoint_id: str) -> Endpoint:
        return Endpoint(
            account_sid=self.account,
            client=client,
            endpoint_id=endpoint_id,
            sid=sid("RG"),
            key_sid=self.account,
            token_expires_at=NOW + 3600,
            refreshed_at=NOW,
            expires_at=NOW + 90,
        )


@pytest.fixture
def field(database_url: str) -> Iterator[Field]:
    tables.make(database_url, "presence")
    count = 1 if database_url.startswith("sqlite") else SERVERS
    databases = [Database(database_url) for _ in range(count)]
    stores, account = [Store(database) for database in databases], sid("AC")
    directory = Directory(databases[0], Keys(["k" * 40]), stores[0])
    directory.put_account(account, "active", ["t" * 32], 1, NOW).result(10)
    yield Field(databases, stores, account)
    for database in databases:
        database.close()


@ROUNDS
@pytest.mark.timeout(1800)
def test_pr18_one_endpoint_id_has_one_creator_and_one_row(field: Field, rounds: int) -> None:
    """Each racer says something else, so that each changes something: no version twice and none left out."""
    for round_ in range(rounds):
        client = f"c{round_}"

        def ask(store: Store, n: int, client: str = client) -> Accepted:
            return store.register(field.asked(client, "desk"), NOW, note=str(n)).result(30)

        won = [one for one in field.race(ask) if isinstance(one, Accepted)]
        assert len(won) == RACERS
        assert sum(one.registered.created for one in won) == 1
        assert len({one.registered.endpoint.sid for one in won}) == 1
        assert sorted(one.version for one in won) == list(range(1, RACERS + 1))
        (row,) = field.rows(endpoints, client)
        (last,) = (one for one in won if one.version == RACERS)
        assert row.note == last.registered.endpoint.note
        assert field.rows(clients, client)[0].version == len(field.rows(changes, client)) == RACERS
    print(f"\n{rounds} rounds of {RACERS} racers for one endpoint id: {rounds} winners")


@ROUNDS
@pytest.mark.timeout(1800)
def test_pr18_pr16_of_updates_based_on_one_version_one_is_taken(field: Field, rounds: int) -> None:
    winners: Counter[int] = Counter()
    store, version = field.stores[0], 0
    version = store.register(field.asked("alice", "desk"), NOW).result(10).version
    for round_ in range(rounds):

        def ask(store: Store, n: int, based_on: int = version, round_: int = round_) -> Accepted:
            asked = replace(field.asked("alice", "desk"), priority=n)
            return store.register(asked, NOW, note=f"{round_}.{n}", based_on=based_on).result(30)

        outcomes = field.race(ask)
        won = [n for n, one in enumerate(outcomes) if isinstance(one, Accepted)]
        assert len(won) == 1
        (row,) = field.rows(endpoints, "alice")
        assert (row.note, row.priority) == (f"{round_}.{won[0]}", won[0])
        winners[won[0]] += 1
        version += 1
        assert field.rows(clients, "alice")[0].version == version
    print(
        f"\n{rounds} rounds of {RACERS} racers from one version: one winner each, {len(winners)} different ones"
    )


def test_pr18_different_endpoint_ids_are_different_rows(field: Field) -> None:
    def ask(store: Store, n: int) -> Accepted:
        return store.register(field.asked("alice", f"d{n}"), NOW, cap=RACERS).result(30)

    won = [one for one in field.race(ask) if isinstance(one, Accepted)]
    assert all(one.registered.created for one in won)
    assert {row.endpoint_id for row in field.rows(endpoints, "alice")} == {f"d{n}" for n in range(RACERS)}
    assert sorted(row.version for row in field.rows(changes, "alice")) == list(range(1, RACERS + 1))


@ROUNDS
@pytest.mark.timeout(1800)
def test_pr18_over_http_one_racer_creates(database_url: str, tmp_path: Path, rounds: int) -> None:
    """A hundred connections, one server: one 201, all others 200 with the same SID."""
    world = World(tmp_path, database_url).start()
    try:
        tenant = world.tenant()

        async def run() -> None:
            async with Racers(world.settings.presence_base(), RACERS) as racers:
                for round_ in range(rounds):
                    client = f"c{round_}"
                    path = f"/v1/Accounts/{tenant.account}/Clients/{client}/Registrations"
                    headers = {"Authorization": f"Bearer {tenant.token(client)}"}
                    asked = [
                        request("POST", path, headers, {"endpoint_id": "desk", "note": str(n)})
                        for n in range(RACERS)
                    ]
                    answers = await racers.race(asked)
                    assert Counter(status for status, _ in answers) == {200: RACERS - 1, 201: 1}
                    assert len({body["sid"] for _, body in answers}) == 1
                    assert {body["version"] for _, body in answers} == set(range(1, RACERS + 1))
                    assert tenant.endpoints(client) == ["desk"]

        asyncio.run(run())
        print(f"\n{rounds} rounds of {RACERS} racers over HTTP: {rounds} winners")
    finally:
        world.close()

"""Every answer is a fold over the accepted messages: the real store against a plain model, step by step."""

from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test
from presence_fold import BUILT_INS, NAMES, Fold, accounts, capabilities, devices, kinds, names, notes

from foundation.db import Database
from foundation.keys import Keys
from foundation.permissions import ALL, EVERYONE
from presence.access.directory import Directory
from presence.reading.since import news
from presence.reading.snapshots import snapshot, viewed
from presence.reading.views import view
from presence.registration import Endpoint
from presence.store import Store
from tests.support import tables


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    tables.make(database_url, "presence")
    opened = Database(database_url)
    yield opened
    opened.close()


@given(
    messages=st.lists(
        st.tuples(names, devices, kinds, notes, capabilities, st.booleans()), min_size=1, max_size=12
    )
)
@settings(max_examples=25, deadline=None, database=None, suppress_health_check=list(HealthCheck))
def test_pr36_replays_change_nothing_and_the_order_across_clients_is_irrelevant(
    database: Database, messages: list[Any]
) -> None:
    """The same messages as they came, client by client, and each of them twice: the same answer. Nobody waits for the
    store in between: it keeps their order."""
    orders = (
        messages,
        sorted(messages, key=lambda message: message[0]),
        [message for message in messages for _ in range(2)],
    )
    answers = []
    for order in orders:
        account, store = f"AC{next(accounts):032x}", Store(database)
        Directory(database, Keys(["k" * 40]), store).put_account(
            account, "active", ["t" * 32], 1, 0.0
        ).result(10)
        done: list[Future[Any]] = []
        for name, device, status, note, able, leaves in order:
            if leaves:
                done.append(store.unregister(account, name, 0.0, endpoint_id=device))
                continue
            asked = Endpoint(
                account_sid=account,
                client=name,
                endpoint_id=device,
                sid="RG" + uuid4().hex,
                capabilities=able,
                key_sid=account,
                token_expires_at=100.0,
                refreshed_at=0.0,
                expires_at=90.0,
            )
            done.append(store.register(asked, 0.0, status=BUILT_INS.get(status, "available"), note=note))
        for one in done:
            one.result(10)
        clients = snapshot(database, account, NAMES, 1.0).clients
        answers.append({name: (one.version, sorted(one.endpoints)) for name, one in clients.items()})
    assert answers[0] == answers[1] == answers[2]


@pytest.mark.parametrize("what", ["expires", "is free again"])
def test_pr38_pr43_what_a_snapshot_saw_before_the_sweeper_came_is_corrected(
    database: Database, what: str
) -> None:
    """A device ends by itself, somebody looks, and it is back as it was before anybody has published its end: who
    looked must learn that it is back."""
    store, account, now = Store(database), f"AC{next(accounts):032x}", 1_800_000_000.0
    Directory(database, Keys(["k" * 40]), store).put_account(account, "active", ["t" * 32], 1, now).result(10)
    all_of_them = view(ALL, EVERYONE, detail=False)

    def register(moment: float) -> None:
        asked = Endpoint(
            account_sid=account,
            client="alice",
            endpoint_id="desk",
            sid="RG" + uuid4().hex,
            key_sid=account,
            token_expires_at=now + 3600,
            refreshed_at=moment,
            expires_at=moment + 90,
        )
        store.register(asked, moment).result(10)

    def engage(moment: float) -> None:
        database.write(
            lambda connection: store.engage_in(connection, account, "alice", "desk", moment + 60, moment),
            account,
        ).result(10)

    register(now)
    if what == "expires":
        later, again = now + 91, register
    else:
        engage(now)
        later, again = now + 61, engage
    looked = viewed(database, account, all_of_them, later)
    again(later)
    learnt = news(database, account, all_of_them, looked.as_of, later, limit=10)
    there = viewed(database, account, all_of_them, later)
    assert {**looked.clients, **learnt.clients} == there.clients


def _run(database: Database, examples: int, steps: int) -> None:
    run_state_machine_as_test(
        lambda: Fold(database),
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.timeout(400)  # for the shrinking of what fails
def test_pr36_pr16_pr43_every_query_is_a_fold_over_what_was_accepted(database: Database) -> None:
    _run(database, 25 if database.sqlite else 8, 30)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_pr36_pr16_pr43_the_same_for_long(database: Database) -> None:
    _run(database, 500 if database.sqlite else 100, 60)

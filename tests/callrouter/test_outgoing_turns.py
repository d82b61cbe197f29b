"""How calls of one account leave one after the other (callrouter.calls.outgoing.take_turn), in both engines."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from gathering_world import databases

from callrouter.calls.outgoing import LONGEST_QUEUE, take_turn
from callrouter.directory import accounts
from callrouter.directory.credentials import seal
from foundation.db import Database
from foundation.keys import Keys
from foundation.sids import ACCOUNT, new_sid

SECONDS = 10


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    yield from databases(request, tmp_path)


def make_account(database: Database) -> str:
    sid = new_sid(ACCOUNT)
    credential = seal(Keys(["k" * 32]), "token")
    made = database.write(
        lambda c: accounts.create(c, sid=sid, friendly_name="A", credential=credential, now=1.0)
    )
    made.result(SECONDS)
    return sid


def turns(database: Database, account_sid: str, *, now: float, rate: float, count: int) -> list[float | None]:
    """Taken at once, so that they share commits or race for the row."""
    units = [database.write(lambda c: take_turn(c, account_sid, now, rate), f"key {n}") for n in range(count)]
    return sorted((unit.result(SECONDS) for unit in units), key=lambda at: at or 0)


def test_turns_are_apart_by_the_rate_and_never_shared(database: Database) -> None:
    account = make_account(database)
    assert turns(database, account, now=100.0, rate=2, count=5) == [100.0, 100.5, 101.0, 101.5, 102.0]
    assert turns(database, account, now=101.0, rate=2, count=1) == [102.5]
    assert turns(database, account, now=200.0, rate=2, count=1) == [200.0]


def test_accounts_do_not_wait_for_each_other(database: Database) -> None:
    one, other = make_account(database), make_account(database)
    assert turns(database, one, now=100.0, rate=1, count=2) == [100.0, 101.0]
    assert turns(database, other, now=100.0, rate=1, count=1) == [100.0]


def test_a_queue_holds_a_day(database: Database) -> None:
    """It is bounded, and says so; a refusal takes no turn."""
    account = make_account(database)
    rate = 2 / LONGEST_QUEUE
    taken = [turns(database, account, now=100.0, rate=rate, count=1)[0] for _ in range(5)]
    assert taken == [100.0, 100.0 + LONGEST_QUEUE / 2, 100.0 + LONGEST_QUEUE, None, None]
    assert turns(database, account, now=101.0 + LONGEST_QUEUE / 2, rate=rate, count=1) == [
        100.0 + 1.5 * LONGEST_QUEUE
    ]

"""The feed gives everything once, also what becomes visible after rows of later moments."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ladders_world import ACCOUNT, CALL, LEG, OTHER, SECOND, Account, databases
from sqlalchemy import insert

from callrouter import models
from callrouter.directory.errors import Missing, Refused
from callrouter.ladders import cursor, feed
from callrouter.ladders.cursor import MOST, OVERLAP, Cursor
from foundation.db import Database


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def account(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Account]:
    for database in databases(request, tmp_path):
        yield Account(database)


def test_everything_once_in_order(account: Account) -> None:
    account.line(10.0)
    account.delivery(10.2)
    account.note(10.3)
    first = account.read()
    assert [item["kind"] for item in first] == ["row", "request", "fault"]
    assert account.read() == []
    again = account.line(10.3)
    assert account.keys() == [again]


def test_a_commit_that_comes_late_is_not_lost(account: Account) -> None:
    """Its moment was taken before the moments of what was read already."""
    account.line(100.0)
    account.line(100.0 + OVERLAP / 2)
    assert len(account.keys()) == 2
    late = account.line(100.1, SECOND)
    assert account.keys() == [late]
    assert account.keys() == []


@pytest.mark.postgresql
@pytest.mark.parametrize("account", ["postgresql"], indirect=True)
def test_a_transaction_that_stays_open_is_not_overtaken(account: Account) -> None:
    row = {"account_sid": ACCOUNT, "call_sid": SECOND, "position": 0, "at": 5.0}
    told = {"source": "a", "target": "b", "summary": "slow", "detail": {}}
    slow = Database(account.database.url)
    try:
        with slow.writer_engine.begin() as connection:
            connection.execute(insert(models.TimelineEntry), [{**row, **told}])
            account.line(6.0)
            assert [item["summary"] for item in account.read()] == ["at 6.0"]
    finally:
        slow.close()
    assert [item["summary"] for item in account.read()] == ["slow"]


@pytest.mark.parametrize("account", ["sqlite"], indirect=True)
def test_more_than_a_page_at_once(account: Account) -> None:
    at = [1.0 + number / 1000 for number in range(2 * feed.PAGE)]
    rows = [
        {"account_sid": ACCOUNT, "call_sid": CALL, "position": n, "at": one, "source": "a", "target": "b"}
        for n, one in enumerate(at)
    ]
    account.store(models.TimelineEntry, *({**row, "summary": "", "detail": {}} for row in rows))
    account.note(at[-1])
    read: list[str] = []
    while keys := account.keys():
        read += keys
    assert len(read) == len(set(read)) == len(at) + 1
    assert len(account.cursor) < 9 * MOST


@pytest.mark.parametrize("account", ["sqlite"], indirect=True)
def test_only_the_account_and_only_the_call(account: Account) -> None:
    account.call()
    account.call(LEG, CALL)
    account.line(1.0, SECOND, OTHER)
    account.line(1.0, SECOND)
    mine = account.line(1.0)
    account.note(2.0, call_sid=LEG)
    account.note(3.0, call_sid=SECOND)
    account.delivery(2.0, "d.1", call_sid=LEG)
    keys = account.keys(LEG)
    assert keys[0] == mine
    assert len(keys) == 3
    with pytest.raises(Missing):
        account.read("CA" + "9" * 32)


@pytest.mark.parametrize("account", ["sqlite"], indirect=True)
def test_a_fault_says_what_it_is_about(account: Account) -> None:
    body = "<Response>\n <Say>Hi</Sai>\n</Response>"
    account.delivery(1.0, response_body=body, content_type="text/xml")
    account.note(1.001, 12100, "Opening and ending tag mismatch (line 2)")
    fault = account.read()[1]
    assert (fault["line"], fault["level"], fault["whose"]) == (2, "error", "your document")
    assert fault["request"]["excerpt"] == "<Say>Hi</Sai>"
    assert "&amp;" in fault["remedy"]


@pytest.mark.parametrize("account", ["sqlite"], indirect=True)
def test_the_steps_of_messages(account: Account) -> None:
    sid = "SM" + "1" * 32
    words = {
        "account_sid": ACCOUNT,
        "sid": sid,
        "direction": "outbound-api",
        "from": "+1",
        "to": "+2",
        "body": "",
    }
    row = {**words, "encoding": "gsm-7", "num_segments": 1, "status": "queued", "carrier": "acme"}
    account.store(models.Message, {**row, "date_created": 1.0, "date_updated": 1.0})
    decision = {"account_sid": ACCOUNT, "message_sid": sid, "attempt": 0, "carrier": "acme", "reason": "best"}
    account.store(models.MessageDecision, {**decision, "at": 1.0, "considered": []})
    assert [item["summary"] for item in account.read()] == ["+1 → +2", "queued: best"]
    moved = models.Message.__table__.update().values(
        status="delivered", date_sent=2.0, reported_at=3.0, date_updated=3.0
    )
    account.database.write(lambda c: c.execute(moved)).result(10)
    assert [item["summary"] for item in account.read(sid)] == ["handed over", "reported: delivered"]


@pytest.mark.parametrize("text", ["x", "|", "nan|", "1e5|abc", "0x1p3|" + "a" * 9, "\0", "0x1p999999|"])
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        Cursor.parse(text)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_whatever_the_order_of_commits_each_row_is_given_once(data: st.DataObject) -> None:
    """Pure: rows become visible up to OVERLAP after their moment, and a reader looks at any time."""
    lags = st.floats(0, OVERLAP * 0.99)
    many = data.draw(st.integers(1, 40))
    rows = [(at := number * 3.0, at + data.draw(lags), f"row {number}") for number in range(many)]
    looks = sorted(data.draw(st.lists(st.floats(0, many * 3.0 + 2 * OVERLAP), max_size=15)))
    place, given_keys = Cursor(start=0.0), list[str]()
    for look in (*looks, many * 3.0 + 2 * OVERLAP):
        place = Cursor.parse(str(place))
        seen = [(at, key) for at, visible, key in rows if visible <= look and at >= place.start]
        given_keys += [key for _, key in seen if cursor.digest(key) not in place.seen]
        place = place.after(seen)
    assert sorted(given_keys) == sorted(key for _, _, key in rows)

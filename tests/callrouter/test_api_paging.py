"""Walking pages: every row once and newest first, whatever the times, the size and the direction."""

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import (
    Column,
    Connection,
    Float,
    MetaData,
    String,
    Table,
    create_engine,
    delete,
    insert,
    select,
)

from callrouter.api.paging import Page, page

ROWS = Table("rows", MetaData(), Column("sid", String, primary_key=True), Column("at", Float))
APP = Flask("paging")
times = st.lists(st.sampled_from([0.0, 1.5, 1.5000001, 1e9 / 3, -2.0]), max_size=12)


@pytest.fixture(scope="module")
def connection() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        ROWS.metadata.create_all(connection)
        yield connection
    engine.dispose()


def _fill(connection: Connection, times: list[float]) -> list[str]:
    """Puts the rows in and answers their SIDs in the order that pages have."""
    connection.execute(delete(ROWS))
    rows = [{"sid": f"XX{number:02}", "at": at} for number, at in enumerate(times)]
    if rows:
        connection.execute(insert(ROWS), rows)
    return [row["sid"] for row in sorted(rows, key=lambda row: (row["at"], row["sid"]), reverse=True)]


def _page(connection: Connection, uri: str) -> tuple[Page, dict[str, Any]]:
    with APP.test_request_context(uri):
        found = page(connection, select(ROWS), ROWS.c.at, ROWS.c.sid)
        return found, found.links()


def _sids(found: Page) -> list[str]:
    return [row.sid for row in found.rows]


@given(times=times, size=st.integers(1, 13))
def test_pages_hold_every_row_once_there_and_back(
    connection: Connection, times: list[float], size: int
) -> None:
    expected = _fill(connection, times)
    there: list[list[str]] = []
    uri, last = f"/list?PageSize={size}&Filter=a%20b", ""
    while uri:
        assert "Filter=a+b" in uri or not there
        found, links = _page(connection, uri)
        assert links["start"] == sum(map(len, there))
        assert links["page"] == len(there)
        there.append(_sids(found))
        last, uri = uri, links["next_page_uri"]
    assert [sid for part in there for sid in part] == expected
    assert all(len(part) == size for part in there[:-1])
    back: list[list[str]] = []
    uri = last
    while uri:
        found, links = _page(connection, uri)
        back.insert(0, _sids(found))
        uri = links["previous_page_uri"]
    assert back == there


@given(times=times, size=st.integers(1, 5), gone=st.integers(0, 11))
def test_rows_that_go_take_no_others_with_them(
    connection: Connection, times: list[float], size: int, gone: int
) -> None:
    """The row that a token names may be deleted."""
    expected = _fill(connection, times)
    found, links = _page(connection, f"/list?PageSize={size}")
    seen = _sids(found)
    victim = f"XX{gone:02}"
    connection.execute(delete(ROWS).where(ROWS.c.sid == victim))
    while links["next_page_uri"]:
        found, links = _page(connection, links["next_page_uri"])
        seen += _sids(found)
    assert [sid for sid in seen if sid != victim] == [sid for sid in expected if sid != victim]
    assert len(seen) == len(set(seen))

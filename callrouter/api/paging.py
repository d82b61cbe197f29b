"""Lists in pages, newest first, by keyset: a page begins after a row, so rows that come or go shift nothing.

A `PageToken` is `PA` (what follows) or `PB` (what comes before), the SID of that row, `-` and its moment as
16 hex digits: the page is found although the row was deleted meanwhile, as happens to a client that deletes what
it lists.
"""

import re
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from flask import request
from sqlalchemy import ColumnElement, Connection, Row, Select, and_, or_

from callrouter.api import params
from foundation.webserver.errors import ApiError

T = TypeVar("T")

PAGE_SIZE = 50
LARGEST_PAGE = 1000
_TOKEN = re.compile(r"(PA|PB)([A-Za-z0-9_.:-]{1,64})-([0-9a-f]{16})", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Page:
    """Some rows of a list, and the links around them."""

    rows: list[Any]
    number: int
    size: int
    next_token: str | None
    previous_token: str | None

    def links(self) -> dict[str, Any]:
        """Twilio's envelope without the list itself (twilio-surface 5.4)."""
        start = self.number * self.size
        return {
            "page": self.number,
            "page_size": self.size,
            "start": start,
            "end": start + max(len(self.rows) - 1, 0),
            "uri": _here(request.args.to_dict()),
            "first_page_uri": self._link(0, None),
            "next_page_uri": self.next_token and self._link(self.number + 1, self.next_token),
            "previous_page_uri": self.previous_token
            and self._link(max(self.number - 1, 0), self.previous_token),
        }

    def _link(self, number: int, token: str | None) -> str:
        query = {**request.args.to_dict(), "PageSize": str(self.size), "Page": str(number)}
        query.pop("PageToken", None)
        return _here({**query, "PageToken": token} if token else query)


def page(
    connection: Connection,
    query: Select[Any],
    moment: ColumnElement[float],
    sid: ColumnElement[str],
    keep: Callable[[Row[Any]], bool] | None = None,
) -> Page:
    """The page of the query that the request asks for. `moment` and `sid`: columns that order it.

    `keep`: a filter that the database can't apply. 20007: the page is too large. 21481: the token is none.
    """
    size, number = _wanted()
    direction, place = _place(request.args.get("PageToken", ""))
    backwards = direction == "PB"
    if place is not None:
        at, after = place
        beyond, tie = (moment > at, sid > after) if backwards else (moment < at, sid < after)
        query = query.where(or_(beyond, and_(moment == at, tie)))
    query = query.order_by(
        moment.asc() if backwards else moment.desc(), sid.asc() if backwards else sid.desc()
    )
    found = connection.execute(query if keep else query.limit(size + 1))
    rows = list(islice(filter(keep, found), size + 1))
    found.close()
    more, rows = len(rows) > size, rows[:size]
    if backwards:
        rows.reverse()
    further = rows and (more or backwards)
    nearer = rows and (place is not None) and (more or not backwards)
    return Page(
        rows=rows,
        number=number,
        size=size,
        next_token=_token("PA", _at(rows[-1], moment, sid)) if further else None,
        previous_token=_token("PB", _at(rows[0], moment, sid)) if nearer else None,
    )


def page_of(items: Sequence[T], place_of: Callable[[T], tuple[float, str]]) -> Page:
    """The page of a list that is worked out anew each time. `place_of`: a moment and a name that tell items apart."""
    size, number = _wanted()
    direction, place = _place(request.args.get("PageToken", ""))
    first = 0
    if place is not None:
        there = next((index for index, item in enumerate(items) if place_of(item) == place), None)
        if there is None:
            raise ApiError(
                400, 21481, "PageToken is invalid: the list has changed; begin with its first page."
            )
        first = max(0, there - size) if direction == "PB" else there + 1
    rows = list(items[first : first + size])
    return Page(
        rows=rows,
        number=number,
        size=size,
        next_token=_token("PA", place_of(rows[-1])) if rows and first + size < len(items) else None,
        previous_token=_token("PB", place_of(rows[0])) if rows and first else None,
    )


def _wanted() -> tuple[int, int]:
    """The page's size and number."""
    size = params.integer(1, LARGEST_PAGE, 20007)("PageSize", request.args.get("PageSize", str(PAGE_SIZE)))
    return size, params.integer(0, 10**8)("Page", request.args.get("Page", "0"))


def _place(token: str) -> tuple[str, tuple[float, str] | None]:
    if not token:
        return "PA", None
    match = _TOKEN.fullmatch(token)
    at = struct.unpack(">d", bytes.fromhex(match[3]))[0] if match else float("nan")
    if match is None or at != at:
        raise ApiError(400, 21481, "PageToken is invalid; follow next_page_uri as it was given.")
    return match[1], (at, match[2])


def _at(row: Row[Any], moment: ColumnElement[float], sid: ColumnElement[str]) -> tuple[float, str]:
    return row._mapping[moment], row._mapping[sid]


def _token(direction: str, place: tuple[float, str]) -> str:
    return f"{direction}{place[1]}-{struct.pack('>d', place[0]).hex()}"


def _here(query: dict[str, str]) -> str:
    return quote(request.path) + (f"?{urlencode(query)}" if query else "")

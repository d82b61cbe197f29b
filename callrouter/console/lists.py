"""Long lists in pages by keyset, as the REST API's: a page costs the same wherever in the list it is."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from flask import request
from sqlalchemy import ColumnElement, Connection, Select

from callrouter.api import paging


@dataclass(frozen=True, kw_only=True)
class Listed:
    """Some rows of a list, newest first, and where its newer and older ones are; None: there are none."""

    rows: list[Any]
    newer: str | None
    older: str | None


def listed(
    connection: Connection, query: Select[Any], moment: ColumnElement[float], sid: ColumnElement[str]
) -> Listed:
    """The page of the query that the request asks for. `moment` and `sid`: columns that order it, with an index."""
    found = paging.page(connection, query, moment, sid)
    return Listed(rows=found.rows, newer=_link(found.previous_token), older=_link(found.next_token))


def _link(token: str | None) -> str | None:
    if token is None:
        return None
    return f"{request.path}?{urlencode({**request.args.to_dict(), 'PageToken': token})}"

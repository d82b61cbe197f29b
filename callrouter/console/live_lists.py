"""Lists that live: the page, and to its script the same rows again when they are others than before."""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Response, jsonify, render_template, request
from sqlalchemy import ColumnElement

from callrouter.console.access import wants_json
from callrouter.console.lists import Listed
from callrouter.console.pages import page
from foundation.webserver.errors import ApiError


def answer(template: str, rows: str, found: Listed, **given: Any) -> Response:
    """The page; or, for live_list.js, its `rows` as a fragment and their digest as the cursor."""
    if wants_json():
        return fragment(render_template(rows, list=found, **given))
    return page(template, list=found, live=found.newer is None, **given)


def fragment(html: str, **more: Any) -> Response:
    """`html`, made by a template of ours, unless the asker has it already; `more` is given each time."""
    cursor = hashlib.blake2b(html.encode(), digest_size=12).hexdigest()
    fresh = {} if request.args.get("after") == cursor else {"html": html}
    return jsonify(cursor=cursor, **fresh, **more)


def filtered(column: ColumnElement[float]) -> list[ColumnElement[bool]]:
    """By the form's `since` and `until`, whole days in UTC."""
    wanted = []
    if (since := _day("since")) is not None:
        wanted.append(column >= since.timestamp())
    if (until := _day("until")) is not None:
        wanted.append(column < (until + timedelta(days=1)).timestamp())
    return wanted


def text(name: str) -> str:
    return request.args.get(name, "").strip()[:300].replace("\0", "")


def _day(name: str) -> datetime | None:
    given = text(name)
    try:
        return datetime.strptime(given, "%Y-%m-%d").replace(tzinfo=UTC) if given else None
    except ValueError:
        raise ApiError(
            400, 20001, f"{given[:20]!r} is no day; write it as year-month-day: 2026-01-31."
        ) from None

"""/Usage/Records and its eight views: what an account used, in categories (twilio-surface 5.11)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, request
from sqlalchemy import Connection

from callrouter.api import params
from callrouter.api.context import account, api
from callrouter.api.paging import page_of
from callrouter.api.params import parameter
from callrouter.api.render import API_VERSION, Kind, path, respond_list
from callrouter.api.routes import View as FlaskView
from callrouter.api.routes import route
from callrouter.directory.usage.categories import CATEGORIES, Category
from callrouter.directory.usage.measuring import Amount, measure, totals
from callrouter.directory.usage.periods import Period, View, periods
from foundation.clock import from_timestamp
from foundation.webserver.errors import ApiError

KIND = Kind(one="UsageRecord", many="UsageRecords", key="usage_records")
RECORDS = "/Accounts/<account_sid>/Usage/Records"
OFFSET = re.compile(r"([+-]?[0-9]{1,5})days?", re.ASCII)

routes = Blueprint("usage", __name__)


@dataclass(frozen=True, kw_only=True)
class Record:
    """A category in a period."""

    category: Category
    period: Period
    amount: Amount


def _day(name: str, value: str) -> str | int:
    """A day `YYYY-MM-DD`, or a number of days from today, `-30days`."""
    if match := OFFSET.fullmatch(value):
        return int(match[1])
    params.moments(name, f"{value}T00:00:00Z")
    return value


FILTERS = (
    parameter("Category", "category", params.text(64)),
    parameter("StartDate", "first", _day),
    parameter("EndDate", "last", _day),
    parameter("IncludeSubaccounts", "subaccounts", params.flag),
)


def _list(view: View) -> FlaskView:
    def list_usage(account_sid: str) -> Response:
        now, wanted = api().now(), params.given(FILTERS, request.args)
        found = api().read(lambda c: list(_records(c, account_sid, view, wanted, now)))
        some = page_of(found, _place)
        return respond_list(KIND, some, [_shown(account_sid, record, now) for record in some.rows])

    list_usage.__name__ += f"_{view.name.lower()}"
    return list_usage


for _view in View:
    route(routes, "GET", f"{RECORDS}/{_view}".rstrip("/"))(_list(_view))


def _records(
    connection: Connection, account_sid: str, view: View, wanted: dict[str, Any], now: float
) -> Iterator[Record]:
    """Of the account's whole life, unless it is narrowed: an account has used nothing before it was made."""
    today = from_timestamp(now).date()
    life = Period(first=from_timestamp(account().date_created).date(), last=today)
    first, last = _date(wanted.get("first"), today), _date(wanted.get("last"), today)
    if first and last and first > last:
        raise ApiError(400, params.INVALID, "StartDate is after EndDate.")
    bounds = Period(first=first or life.first, last=last or life.last).within(life)
    some = periods(view, bounds, today) if bounds else []
    if not some or bounds is None:
        return
    usage = measure(connection, account_sid, bounds, subaccounts=wanted.get("subaccounts", True))
    amounts = totals(usage, some)
    category = wanted.get("category")
    for period in some:
        for one in CATEGORIES.values():
            if category is None or one.name == category:
                yield Record(category=one, period=period, amount=amounts[one.name, period])


def _date(given: str | int | None, today: date) -> date | None:
    if isinstance(given, int):
        return today + timedelta(days=given)
    return date.fromisoformat(given) if given else None


def _place(record: Record) -> tuple[float, str]:
    return datetime.combine(record.period.first, time(), UTC).timestamp(), record.category.name


def _shown(account_sid: str, record: Record, now: float) -> dict[str, Any]:
    category, first, last = (
        record.category,
        record.period.first.isoformat(),
        record.period.last.isoformat(),
    )
    query = urlencode({"Category": category.name, "StartDate": first, "EndDate": last})
    return {
        "account_sid": account_sid,
        "api_version": API_VERSION,
        "category": category.name,
        "description": category.description,
        "count": str(record.amount.count),
        "count_unit": category.count_unit,
        "usage": str(record.amount.usage),
        "usage_unit": category.usage_unit,
        "price": 0,
        "price_unit": "usd",
        "start_date": first,
        "end_date": last,
        "as_of": from_timestamp(int(now)).isoformat(),
        "uri": f"{path(account_sid, 'Usage', 'Records')}?{query}",
        "subresource_uris": {
            view.name.lower(): f"{path(account_sid, 'Usage', 'Records', view)}?Category={category.name}"
            for view in View
            if view is not View.RECORDS
        },
    }

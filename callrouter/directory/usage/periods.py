"""The periods of the nine lists of usage records, and of recurring triggers. Pure; days are UTC days."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True, order=True)
class Period:
    """From the first day to the last, both included."""

    first: date
    last: date

    def within(self, bounds: "Period") -> "Period | None":
        first, last = max(self.first, bounds.first), min(self.last, bounds.last)
        return Period(first=first, last=last) if first <= last else None


class View(StrEnum):
    """A list of usage records; its value is the last part of its path."""

    RECORDS = ""
    ALL_TIME = "AllTime"
    DAILY = "Daily"
    LAST_MONTH = "LastMonth"
    MONTHLY = "Monthly"
    THIS_MONTH = "ThisMonth"
    TODAY = "Today"
    YEARLY = "Yearly"
    YESTERDAY = "Yesterday"


def periods(view: View, bounds: Period, today: date) -> list[Period]:
    """One for each record of a category, newest first: as much of each as lies within the bounds."""
    match view:
        case View.DAILY:
            return list(_backwards(bounds, _day))
        case View.MONTHLY:
            return list(_backwards(bounds, month))
        case View.YEARLY:
            return list(_backwards(bounds, year))
        case View.TODAY:
            one = _day(today)
        case View.YESTERDAY:
            one = _day(today - DAY)
        case View.THIS_MONTH:
            one = month(today)
        case View.LAST_MONTH:
            one = month(month(today).first - DAY)
        case _:
            one = bounds
    found = one.within(bounds)
    return [found] if found else []


def month(day: date) -> Period:
    first = day.replace(day=1)
    return Period(first=first, last=(first + 31 * DAY).replace(day=1) - DAY)


def year(day: date) -> Period:
    return Period(first=date(day.year, 1, 1), last=date(day.year, 12, 31))


class Recurring(StrEnum):
    """How often a trigger may fire; `alltime` is once."""

    DAILY = "daily"
    MONTHLY = "monthly"
    YEARLY = "yearly"
    ALL_TIME = "alltime"

    def period(self, today: date) -> Period:
        """The one that it watches today."""
        match self:
            case Recurring.DAILY:
                return _day(today)
            case Recurring.MONTHLY:
                return month(today)
            case Recurring.YEARLY:
                return year(today)
            case Recurring.ALL_TIME:
                return Period(first=date.min, last=date.max)


def _day(day: date) -> Period:
    return Period(first=day, last=day)


def _backwards(bounds: Period, around: Callable[[date], Period]) -> Iterator[Period]:
    day = bounds.last
    while day >= bounds.first:
        whole = around(day)
        found = whole.within(bounds)
        assert found is not None  # the day is in both
        yield found
        day = whole.first - DAY

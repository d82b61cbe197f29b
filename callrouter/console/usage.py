"""Usage with plots: calls per hour and per day, messages by status; each plot has a table of the same figures."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import ceil
from typing import Any

from flask import Blueprint, Response, request
from sqlalchemy import BigInteger, Connection, Select, cast, func, select

from callrouter import models
from callrouter.console.access import viewer
from callrouter.console.context import Console
from callrouter.console.pages import page
from callrouter.directory.usage import measuring
from callrouter.directory.usage.categories import CATEGORIES
from callrouter.directory.usage.measuring import Amount
from callrouter.directory.usage.periods import Period, View, periods
from foundation.clock import from_timestamp

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
HOURS, DAYS = 24, 30
SHADES = 6
"""Colours that base.css has for the parts of a bar; further parts share the last."""
FAULTS = ("failed", "undelivered")
"""Statuses that are drawn on top, in the colour of faults, and counted in words."""
WIDTH, HEIGHT, LEFT, FOOT = 720, 180, 44, 22


@dataclass(frozen=True, kw_only=True)
class Part:
    """A piece of a bar, in the plot's own units, from the left and the top."""

    y: float
    height: float
    shade: str
    title: str


@dataclass(frozen=True, kw_only=True)
class Bar:
    x: float
    width: float
    label: str
    parts: Sequence[Part]
    total: int
    counts: Sequence[int]


@dataclass(frozen=True, kw_only=True)
class Plot:
    """Bars over time, stacked by name. `shades`: the class of each name. `ticks`: heights and their numbers."""

    title: str
    unit: str
    names: Sequence[str]
    shades: Sequence[str]
    bars: Sequence[Bar]
    ticks: Sequence[tuple[float, int]]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    foot: int = FOOT

    @property
    def total(self) -> int:
        return sum(bar.total for bar in self.bars)

    @property
    def faults(self) -> Sequence[tuple[str, int]]:
        """How many ended in each status that is a fault."""
        sums = map(sum, zip(*(bar.counts for bar in self.bars), strict=True))
        return [(name, many) for name, many in zip(self.names, sums, strict=True) if name in FAULTS]


def add(blueprint: Blueprint, console: Console) -> None:
    @blueprint.get("/usage", endpoint="usage")
    def usage() -> Response:
        mine, now = viewer().account_sid, console.now()
        below = "subaccounts" in request.args

        def read(connection: Connection) -> dict[str, Any]:
            return {
                "plots": [
                    _calls(connection, mine, now, "Calls per hour", HOUR_MS, HOURS),
                    _calls(connection, mine, now, "Calls per day", DAY_MS, DAYS),
                    _messages(connection, mine, now),
                ],
                "amounts": _amounts(connection, mine, from_timestamp(now).date(), subaccounts=below),
            }

        return page("console/usage.html", subaccounts=below, categories=CATEGORIES, **console.read(read))


def plot(title: str, unit: str, labels: Sequence[str], counts: Sequence[dict[str, int]]) -> Plot:
    """A bar for each label, from the oldest on; `counts` by name."""
    names = sorted({name for one in counts for name in one}, key=lambda name: (name in FAULTS, name))
    shades = [_shade(place, name) for place, name in enumerate(names)]
    most = max((sum(one.values()) for one in counts), default=0)
    step = _step(most)
    top = max(step * ceil(most / step), step)
    tall, wide = HEIGHT - FOOT - 8, (WIDTH - LEFT) / max(len(labels), 1)
    bars = []
    for number, (label, one) in enumerate(zip(labels, counts, strict=True)):
        parts, foot = [], float(HEIGHT - FOOT)
        for name, shade in zip(names, shades, strict=True):
            if count := one.get(name, 0):
                height = tall * count / top
                foot -= height
                parts.append(
                    Part(
                        y=round(foot, 2),
                        height=round(height, 2),
                        shade=shade,
                        title=f"{label}: {count} {name}",
                    )
                )
        bars.append(
            Bar(
                x=round(LEFT + number * wide + wide * 0.1, 2),
                width=round(wide * 0.8, 2),
                label=label,
                parts=parts,
                total=sum(one.values()),
                counts=[one.get(name, 0) for name in names],
            )
        )
    ticks = [
        (round(HEIGHT - FOOT - tall * value / top, 2), value)
        for value in range(0, top + 1, max(step, top // 4))
    ]
    return Plot(title=title, unit=unit, names=names, shades=shades, bars=bars, ticks=ticks)


def _shade(place: int, name: str) -> str:
    return "shade-fault" if name in FAULTS else f"shade-{min(place, SHADES - 1)}"


def _step(most: int) -> int:
    """1, 2 or 5 times a power of ten, at most five of which make the axis."""
    step = 1
    while step * 5 < most:
        digits = int(str(step)[0])
        step = step * 5 // 2 if digits == 2 else step * 2
    return step


def _calls(connection: Connection, account_sid: str, now: float, title: str, ms: int, bars: int) -> Plot:
    call = models.Call.__table__.c
    query = select(call.status.label("name")).where(
        call.account_sid == account_sid, call.parent_call_sid.is_(None)
    )
    return _over_time(connection, query, call.date_created, now, title, "calls", ms, bars)


def _messages(connection: Connection, account_sid: str, now: float) -> Plot:
    message = models.Message.__table__.c
    query = select(message.status.label("name")).where(message.account_sid == account_sid)
    return _over_time(
        connection, query, message.date_created, now, "Messages per day, by status", "messages", DAY_MS, DAYS
    )


def _over_time(
    connection: Connection,
    query: Select[Any],
    moment: Any,
    now: float,
    title: str,
    unit: str,
    ms: int,
    bars: int,
) -> Plot:
    last = int(now * 1000) // ms
    first = last - bars + 1
    place = (cast(func.round(moment * 1000), BigInteger) // ms).label("place")
    counted = query.add_columns(place, func.count().label("count")).where(moment >= first * ms / 1000)
    counts: list[dict[str, int]] = [{} for _ in range(bars)]
    for row in connection.execute(counted.group_by("name", "place")):
        if first <= row.place <= last:
            counts[row.place - first][row.name] = row.count
    form = "%H:00" if ms == HOUR_MS else "%m-%d"
    labels = [from_timestamp(number * ms / 1000).strftime(form) for number in range(first, last + 1)]
    return plot(title, unit, labels, counts)


def _amounts(
    connection: Connection, account_sid: str, today: date, *, subaccounts: bool
) -> list[tuple[str, list[Amount]]]:
    """Each category that was used: today, this month and last month."""
    bounds = Period(first=today.replace(day=1) - timedelta(days=31), last=today)
    wanted = [periods(view, bounds, today) for view in (View.TODAY, View.THIS_MONTH, View.LAST_MONTH)]
    found = measuring.measure(connection, account_sid, bounds, subaccounts=subaccounts)
    sums = [measuring.totals(found, period) for period in wanted]
    return [
        (name, [one[name, period[0]] for one, period in zip(sums, wanted, strict=True)])
        for name in CATEGORIES
        if any(category == name for category, _ in found)
    ]

"""Alerts: what went wrong, by Twilio's codes, each with its cause and what to do."""

from typing import Any

from flask import Blueprint, Response, request
from sqlalchemy import Connection, func, select

from callrouter.console import live_lists
from callrouter.console.access import viewer
from callrouter.console.context import Console
from callrouter.console.lists import listed
from callrouter.console.live_lists import filtered, text
from callrouter.ladders.faults import COLUMNS, TABLE, shown
from callrouter.ladders.remedies import remedy

DAY = 86_400.0
LEVELS = {"error": "0", "warning": "1"}
MOST_CODES = 12


def add(blueprint: Blueprint, console: Console) -> None:
    @blueprint.get("/alerts")
    def alerts() -> Response:
        mine = viewer().account_sid
        wanted = filtered(COLUMNS.message_date)
        wanted += [COLUMNS.error_code == text("code")] if text("code") else []
        wanted += [COLUMNS.log == LEVELS[text("level")]] if text("level") in LEVELS else []
        query = select(TABLE).where(COLUMNS.account_sid == mine, *wanted)
        found = console.read(lambda c: listed(c, query, COLUMNS.message_date, COLUMNS.sid))
        now = console.now()
        return live_lists.answer(
            "console/alerts.html",
            "console/alerts_rows.html",
            found,
            shown=shown,
            codes=[] if request.args.get("after") else console.read(lambda c: _codes(c, mine, now)),
            known=remedy(text("code")) if text("code") else None,
            asked=request.args,
        )


def _codes(connection: Connection, account_sid: str, now: float) -> list[dict[str, Any]]:
    """The codes of the last day, the most frequent first."""
    count = func.count()
    query = select(COLUMNS.error_code, COLUMNS.log, count.label("many")).where(
        COLUMNS.account_sid == account_sid, COLUMNS.message_date > now - DAY
    )
    query = query.group_by(COLUMNS.error_code, COLUMNS.log).order_by(count.desc(), COLUMNS.error_code)
    return [
        {
            "code": row.error_code,
            "error": row.log == "0",
            "many": row.many,
            "cause": remedy(row.error_code).cause,
        }
        for row in connection.execute(query.limit(MOST_CODES))
    ]

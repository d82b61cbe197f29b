"""The first page: what runs, what happens now, and what went wrong lately."""

from typing import Any

from flask import Blueprint, Response, jsonify
from sqlalchemy import Connection, func, select

from callrouter import models
from callrouter.console.access import viewer
from callrouter.console.context import Console
from callrouter.console.pages import page
from foundation.clock import from_timestamp

LAST = 5
HOUR = 3600.0
WELL = {
    "draining": "this router takes new calls",
    "database": "it answers",
    "tables": "they are this release's",
    "lease": "this router holds it, so its calls are its own",
    "outbox": "nothing waits too long to be sent",
    "voice": "a voice node answers",
}
"""What it means that a check of `/readyz` holds."""


def add(blueprint: Blueprint, console: Console) -> None:
    @blueprint.get("/")
    def overview() -> Response:
        return page("console/overview.html", **_facts())

    @blueprint.get("/overview.json")
    def overview_json() -> Response:
        return jsonify(_facts())

    def _facts() -> dict[str, Any]:
        checks = console.parts.checks
        mine, now = viewer().account_sid, console.now()
        return {
            "parts": [_checked(name, check()) for name, check in checks.items()],
            "at": now,
            **console.read(lambda connection: _account(connection, mine, now)),
        }


def _checked(name: str, fault: str | None) -> dict[str, str]:
    return {"name": name, "fault": fault or "", "said": fault or WELL.get(name, "")}


def _account(connection: Connection, account_sid: str, now: float) -> dict[str, Any]:
    call, note, message = models.Call, models.Notification, models.Message
    lately = select(call).where(call.account_sid == account_sid, call.parent_call_sid.is_(None))
    in_progress = select(models.Session).where(models.Session.account_sid == account_sid)
    faults = select(note.error_code, note.message_text, note.message_date, note.call_sid, note.log)
    faults = faults.where(note.account_sid == account_sid).order_by(note.message_date.desc(), note.sid.desc())
    return {
        "calls_now": _count(connection, in_progress),
        "calls_hour": _count(connection, lately.where(call.date_created > now - HOUR)),
        "messages_hour": _count(
            connection,
            select(message).where(message.account_sid == account_sid, message.date_created > now - HOUR),
        ),
        "calls": [
            {"sid": row.sid, "from": row.from_, "to": row.to, "status": row.status, "at": _iso(row.at)}
            for row in connection.execute(
                select(
                    call.sid, call.from_.label("from_"), call.to, call.status, call.date_created.label("at")
                )
                .where(call.account_sid == account_sid, call.parent_call_sid.is_(None))
                .order_by(call.date_created.desc(), call.sid.desc())
                .limit(LAST)
            )
        ],
        "alerts": [
            {
                "code": row.error_code,
                "text": row.message_text,
                "call_sid": row.call_sid or "",
                "error": row.log == "0",
                "at": _iso(row.message_date),
            }
            for row in connection.execute(faults.limit(LAST))
        ],
    }


def _count(connection: Connection, query: Any) -> int:
    return connection.execute(select(func.count()).select_from(query.subquery())).scalar_one()


def _iso(seconds: float) -> str:
    return from_timestamp(seconds).isoformat(timespec="milliseconds").replace("+00:00", "Z")

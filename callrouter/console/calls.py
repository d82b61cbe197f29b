"""Calls: what there are and were, and one of them as a live ladder."""

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, jsonify, redirect, render_template, request
from sqlalchemy import Connection, select

from callrouter.api.call_view import INITIATED, QUEUED, STATUSES
from callrouter.calls.status import Status
from callrouter.console import live_lists
from callrouter.console.access import viewer, wants_json
from callrouter.console.context import Console
from callrouter.console.lists import listed
from callrouter.console.live_lists import filtered, text
from callrouter.console.pages import page
from callrouter.ladders import calls, mermaid
from callrouter.ladders import text as plain_text
from callrouter.ladders.calls import CALLS
from callrouter.ladders.version import version as ladder_version
from foundation.webserver.errors import ApiError

COLUMNS = CALLS.c


def add(blueprint: Blueprint, console: Console) -> None:
    @blueprint.get("/calls")
    def call_list() -> Response:
        query = select(CALLS).where(COLUMNS.account_sid == viewer().account_sid, *_wanted())
        found = console.read(lambda c: listed(c, query, COLUMNS.date_created, COLUMNS.sid))
        return live_lists.answer(
            "console/calls.html", "console/calls_rows.html", found, statuses=STATUSES, asked=request.args
        )

    @blueprint.get("/calls/<sid>")
    def call(sid: str) -> Response:
        return page("console/call.html", ladder=_ladder(sid), sid=sid)

    @blueprint.get("/calls/<sid>/ladder.json")
    def call_ladder(sid: str) -> Response:
        return if_other(console, sid, lambda ladder: drawn(ladder, "console/call_parts.html"))

    @blueprint.get("/calls/<sid>/ladder.<kind>")
    def call_export(sid: str, kind: str) -> Response:
        return export(_ladder(sid), kind, sid)

    @blueprint.post("/calls/<sid>/hang-up")
    def hang_up(sid: str) -> Any:
        _, legs = console.read(lambda c: calls.family(c, viewer().account_sid, sid))
        if not viewer().active:
            raise ApiError(403, 20005, "The account is not active.")
        own = next(leg for leg in legs if leg.sid == sid)
        if own.status in calls.LIVE:
            console.parts.front.end(viewer().account_sid, sid, "completed")
        return jsonify(sid=sid) if wants_json() else redirect(f"/console/calls/{sid}", 303)

    def _ladder(sid: str) -> dict[str, Any]:
        seen = viewer()
        return console.read(lambda c: calls.fetch(c, seen.account_sid, sid, operator=seen.operator))


def _wanted() -> list[Any]:
    """The filters of the request."""
    wanted = filtered(COLUMNS.date_created)
    if not request.args.get("legs"):
        wanted.append(COLUMNS.parent_call_sid.is_(None))
    wanted += [COLUMNS[name] == text(name) for name in ("from", "to") if text(name)]
    if status := text("status"):
        if status == "live":
            wanted.append(COLUMNS.status.in_([one for one in Status if not one.final]))
        else:
            wanted.append(COLUMNS.status.in_((QUEUED, INITIATED) if status == QUEUED else (status,)))
    return wanted


def if_other(console: Console, sid: str, shown: Callable[[dict[str, Any]], dict[str, Any]]) -> Response:
    """What `shown` makes of a call's ladder, unless the asker has it already: then it is not even read."""
    seen, known = viewer(), request.args.get("after")

    def read(connection: Connection) -> tuple[str, bool, dict[str, Any] | None]:
        version, live = ladder_version(connection, seen.account_sid, sid)
        cursor = f"{version}{seen.operator:d}{seen.active:d}"
        if cursor == known:
            return cursor, live, None
        return cursor, live, calls.fetch(connection, seen.account_sid, sid, operator=seen.operator)

    cursor, live, ladder = console.read(read)
    return jsonify(cursor=cursor, live=live, **({} if ladder is None else shown(ladder)))


def drawn(ladder: dict[str, Any], template: str) -> dict[str, Any]:
    """What ladder.js draws, without the bodies, which it asks for one by one, and the parts below."""
    return {
        "rows": [{**row, "detail": _short(row["detail"])} for row in ladder["rows"]],
        "parties": ladder["parties"],
        "left_out": ladder.get("left_out", 0),
        "html": render_template(template, ladder=ladder),
    }


def export(ladder: dict[str, Any], kind: str, sid: str) -> Response:
    """The ladder as a file: `txt` or `mmd`."""
    makers = {"txt": plain_text.render, "mmd": mermaid.render}
    if kind not in makers:
        raise ApiError(404, 20404, "There is no such page.")
    answer = Response(makers[kind](ladder), content_type="text/plain; charset=utf-8")
    answer.headers["Content-Disposition"] = f'attachment; filename="{sid}.{kind}"'
    return answer


def _short(detail: dict[str, Any]) -> dict[str, Any]:
    """Without what the request's own panel shows."""
    return {name: value for name, value in detail.items() if name not in ("body", "parameters", "request")}

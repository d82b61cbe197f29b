"""The request inspector: all that the account's apps were asked and answered, to be looked at and asked again."""

from typing import Any

from flask import Blueprint, Response, jsonify, render_template, request
from sqlalchemy import Connection, Row, or_, select

from callrouter.console import live_lists
from callrouter.console.access import viewer, wants_json
from callrouter.console.context import Console
from callrouter.console.lists import listed
from callrouter.console.live_lists import filtered, text
from callrouter.console.pages import page
from callrouter.console.replaying import Replaying, curl
from callrouter.directory.errors import Missing
from callrouter.ladders import deliveries, faults
from callrouter.ladders.deliveries import COLUMNS, TABLE
from callrouter.ladders.shown import masked
from foundation.webserver.errors import ApiError

KINDS = ("document", "status-callback", "partial-result")
LISTED = ("id", "account_sid", "call_sid", "kind", "at", "method", "url", "attempt", "response_status")
OUTCOMES = {
    "ok": COLUMNS.response_status.between(200, 299),
    "failed": or_(COLUMNS.response_status.is_(None), ~COLUMNS.response_status.between(200, 299)),
}


def add(blueprint: Blueprint, console: Console) -> None:
    replaying = Replaying(console)
    blueprint.app_template_filter("masked")(masked)

    @blueprint.get("/requests")
    def request_list() -> Response:
        wanted = filtered(COLUMNS.at)
        if text("outcome") in OUTCOMES:
            wanted.append(OUTCOMES[text("outcome")])
        wanted += [
            COLUMNS[column] == text(name)
            for name, column in (("kind", "kind"), ("of", "call_sid"))
            if text(name)
        ]
        if text("url"):
            wanted.append(COLUMNS.url.startswith(text("url"), autoescape=True))
        columns = [COLUMNS[name] for name in (*LISTED, "error_code", "duration_ms")]
        query = select(*columns).where(COLUMNS.account_sid == viewer().account_sid, *wanted)
        found = console.read(lambda c: listed(c, query, COLUMNS.at, COLUMNS.id))
        return live_lists.answer(
            "console/requests.html", "console/requests_rows.html", found, kinds=KINDS, asked=request.args
        )

    @blueprint.get("/requests/<path:name>")
    def one_request(name: str) -> Response:
        """One; for a script, which shows it in a ladder, as a fragment."""
        row, notes = console.read(lambda c: _found(c, viewer().account_sid, name))
        given: dict[str, Any] = {
            "one": deliveries.shown(row),
            "notes": [note for note in notes if note["delivery_id"] == name],
            "curl": curl(row),
        }
        if wants_json():
            return jsonify(html=render_template("console/request_parts.html", **given))
        return page("console/request.html", **given)

    @blueprint.post("/requests/replay")
    def replay() -> Response:
        """Asks again, and shows what comes back now; no call hears of it."""
        if not viewer().active:
            raise ApiError(403, 20005, "The account is not active.")
        row, _ = console.read(lambda c: _found(c, viewer().account_sid, request.form.get("id", "")))
        return jsonify(html=render_template("console/replay.html", **replaying.again(row)))


def _found(connection: Connection, account_sid: str, name: str) -> tuple[Row[Any], list[dict[str, Any]]]:
    """The request of that id, and the faults of its call. Missing: the account has none."""
    mine = select(TABLE).where(COLUMNS.account_sid == account_sid)
    row = connection.execute(mine.where(COLUMNS.id == name)).one_or_none()
    if row is None:
        raise Missing(f"Request {name}")
    asked = connection.execute(deliveries.of(account_sid, [row.call_sid])).all()
    notes = connection.execute(faults.of(account_sid, [row.call_sid])).all()
    return row, [faults.shown(note, asked) for note in notes]

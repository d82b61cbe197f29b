"""Messages: what there are and were, and one of them with its steps, routes and media."""

import hashlib
import json
from typing import Any

from flask import Blueprint, Response, jsonify, request
from sqlalchemy import Table, select

from callrouter.console import live_lists
from callrouter.console.access import viewer
from callrouter.console.calls import drawn, export
from callrouter.console.context import Console
from callrouter.console.lists import listed
from callrouter.console.live_lists import filtered, text
from callrouter.console.pages import page
from callrouter.ladders import messages
from callrouter.messages.status import Status
from callrouter.models import Message

MESSAGES = Message.__table__
assert isinstance(MESSAGES, Table)
COLUMNS = MESSAGES.c


def add(blueprint: Blueprint, console: Console) -> None:
    @blueprint.get("/messages")
    def message_list() -> Response:
        wanted = filtered(COLUMNS.date_created)
        wanted += [COLUMNS[name] == text(name) for name in ("from", "to", "status") if text(name)]
        query = select(MESSAGES).where(COLUMNS.account_sid == viewer().account_sid, *wanted)
        found = console.read(lambda c: listed(c, query, COLUMNS.date_created, COLUMNS.sid))
        return live_lists.answer(
            "console/messages.html",
            "console/messages_rows.html",
            found,
            statuses=[one.value for one in Status],
            asked=request.args,
        )

    @blueprint.get("/messages/<sid>")
    def message(sid: str) -> Response:
        return page("console/message.html", ladder=_ladder(sid), sid=sid)

    @blueprint.get("/messages/<sid>/ladder.json")
    def message_ladder(sid: str) -> Response:
        """Once for each state of it; it is short."""
        ladder = _ladder(sid)
        shown = drawn(ladder, "console/message_parts.html")
        cursor = hashlib.blake2b(json.dumps(shown).encode(), digest_size=12).hexdigest()
        return jsonify(
            cursor=cursor, live=ladder["live"], **({} if request.args.get("after") == cursor else shown)
        )

    @blueprint.get("/messages/<sid>/ladder.<kind>")
    def message_export(sid: str, kind: str) -> Response:
        return export(_ladder(sid), kind, sid)

    def _ladder(sid: str) -> dict[str, Any]:
        seen, now = viewer(), console.now()
        return console.read(
            lambda c: messages.fetch(c, seen.account_sid, sid, operator=seen.operator, now=now)
        )

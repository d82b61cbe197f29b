"""An account's conferences and call queues, as they are now."""

from functools import partial
from typing import Any

from flask import Blueprint, Response, jsonify
from sqlalchemy import Connection, func, select

from callrouter import models
from callrouter.conferences import control
from callrouter.conferences.meeting import COMPLETED
from callrouter.console.access import viewer
from callrouter.console.context import Console
from callrouter.console.directory.resource import demand_active, to
from callrouter.console.pages import page
from callrouter.directory.errors import Missing
from callrouter.queues.desk import WAITING
from callrouter.queues.standing import seconds, standing
from foundation.sids import CONFERENCE, is_sid

MOST = 200
"""Rows of each list at most: what is live is read as a whole."""


def add(blueprint: Blueprint, console: Console) -> None:
    @blueprint.get("/meetings", endpoint="meetings")
    def meetings() -> Response:
        return page("console/meetings.html", **_meetings())

    @blueprint.get("/meetings.json", endpoint="meetings_json")
    def meetings_json() -> Response:
        return jsonify(_meetings())

    def _meetings() -> dict[str, Any]:
        mine, now = viewer().account_sid, console.now()
        return console.read(lambda c: {"conferences": _conferences(c, mine), "queues": _queues(c, mine, now)})

    @blueprint.post("/meetings/<sid>/end", endpoint="meetings_end")
    def end(sid: str) -> Response:
        demand_active()
        mine = viewer().account_sid
        if not is_sid(sid, CONFERENCE) or not console.read(lambda c: _is_mine(c, mine, sid)):
            raise Missing("Conference")
        console.parts.front.settle(mine, partial(control.complete, sid=sid))
        return to("/console/meetings")


def _conferences(connection: Connection, account_sid: str) -> list[dict[str, Any]]:
    """Those that are not over, with who is in."""
    room, guest = models.Conference, models.Participant
    live = select(room.sid, room.friendly_name, room.status, room.date_created)
    live = live.where(room.account_sid == account_sid, room.status != COMPLETED)
    found = connection.execute(live.order_by(room.date_created.desc(), room.sid).limit(MOST)).all()
    inside = select(guest.conference_sid, guest.call_sid, guest.label, guest.muted, guest.hold, guest.joined)
    inside = inside.where(
        guest.account_sid == account_sid, guest.conference_sid.in_([row.sid for row in found])
    )
    guests: dict[str, list[dict[str, Any]]] = {}
    for row in connection.execute(inside.order_by(guest.date_created, guest.call_sid)):
        one = {"call_sid": row.call_sid, "label": row.label or "", "muted": row.muted, "hold": row.hold}
        guests.setdefault(row.conference_sid, []).append({**one, "joined": row.joined})
    return [
        {
            "sid": row.sid,
            "name": row.friendly_name,
            "status": row.status,
            "since": row.date_created,
            "guests": guests.get(row.sid, []),
        }
        for row in found
    ]


def _queues(connection: Connection, account_sid: str, now: float) -> list[dict[str, Any]]:
    """All queues, with those who wait in them, the first first."""
    queue, member = models.Queue, models.QueueMember
    mine = select(queue.sid, queue.friendly_name, queue.max_size).where(queue.account_sid == account_sid)
    found = connection.execute(mine.order_by(queue.friendly_name).limit(MOST)).all()
    agents = select(member.queue_sid, func.count()).where(member.account_sid == account_sid, member.agent)
    counted = {row[0]: row[1] for row in connection.execute(agents.group_by(member.queue_sid))}
    queues = []
    for row in found:
        line = select(member.call_sid, member.date_enqueued).where(
            member.account_sid == account_sid, member.queue_sid == row.sid, *WAITING
        )
        waiting = connection.execute(line.order_by(member.date_enqueued, member.call_sid).limit(MOST))
        stands = standing(connection, account_sid, row.sid, now)
        queues.append(
            {
                "sid": row.sid,
                "name": row.friendly_name,
                "size": stands.size,
                "most": row.max_size,
                "average": stands.average,
                "agents": counted.get(row.sid, 0),
                "waiting": [
                    {"call_sid": one.call_sid, "seconds": seconds(one.date_enqueued, now)} for one in waiting
                ],
            }
        )
    return queues


def _is_mine(connection: Connection, account_sid: str, sid: str) -> bool:
    room = models.Conference
    query = select(room.sid).where(room.account_sid == account_sid, room.sid == sid)
    return connection.execute(query).first() is not None

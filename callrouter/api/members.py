"""/Queues/{QU}/Members: the callers who wait, and how one is taken out (twilio-surface 5.10)."""

from functools import partial
from typing import Any

from flask import Blueprint, Response, request
from sqlalchemy import ColumnElement, Connection, Row, Select, select

from callrouter import models
from callrouter.api import params, queues
from callrouter.api.access import demand_active
from callrouter.api.context import api
from callrouter.api.paging import page
from callrouter.api.params import parameter
from callrouter.api.render import Kind, date, not_found, path, respond, respond_list
from callrouter.api.routes import route
from callrouter.queues import desk
from callrouter.queues.standing import position, seconds
from foundation.sids import CALL, is_sid
from foundation.webserver.errors import ApiError

KIND = Kind(one="QueueMember", many="QueueMembers", key="queue_members")
COLLECTION = f"{queues.INSTANCE}/Members"
INSTANCE = f"{COLLECTION}/<name>"
MEMBERS = models.QueueMember.__table__.c
FRONT = "Front"
EARLIEST: ColumnElement[float] = (-MEMBERS.date_enqueued).label("earliest")
"""Pages go from the greatest: the caller at the front comes first."""
SETTINGS = (
    parameter("Url", "url", params.url(21205)),
    parameter("Method", "method", params.method(21209)),
)

routes = Blueprint("members", __name__)
routes.before_request(demand_active)


@route(routes, "GET", COLLECTION)
def list_members(account_sid: str, sid: str) -> Response:
    queues.fetch(account_sid, sid)

    def work(connection: Connection) -> Any:
        found = page(connection, _listed(account_sid, sid), EARLIEST, MEMBERS.call_sid)
        return found, [_shown(connection, row) for row in found.rows]

    found, members = api().read(work)
    return respond_list(KIND, found, members)


@route(routes, "GET", INSTANCE)
def fetch_member(account_sid: str, sid: str, name: str) -> Response:
    """By its call, or as `Front`."""
    query = _listed(account_sid, sid).order_by(MEMBERS.date_enqueued, MEMBERS.call_sid).limit(1)
    if name != FRONT:
        query = query.where(MEMBERS.call_sid == _call(name))

    def work(connection: Connection) -> Any:
        row = connection.execute(query).first()
        return None if row is None else _shown(connection, row)

    member = api().read(work)
    if member is None:
        raise not_found()
    return respond(KIND, member)


@route(routes, "POST", INSTANCE)
def dequeue_member(account_sid: str, sid: str, name: str) -> Response:
    """The caller leaves the queue and runs the document at `Url`."""
    wanted = params.given(SETTINGS, request.form)
    if not wanted.get("url"):
        raise ApiError(400, 21205, "Url is required: the document that the caller runs next.")
    row = api().live.settle(
        account_sid,
        partial(
            desk.dequeue,
            queue_sid=sid,
            call_sid=None if name == FRONT else _call(name),
            url=wanted["url"],
            method=wanted.get("method", "POST"),
        ),
    )
    if row is None:
        raise not_found()
    return respond(KIND, api().read(lambda c: _shown(c, row)))


def _call(name: str) -> str:
    if not is_sid(name, CALL):
        raise not_found()
    return name


def _listed(account_sid: str, sid: str) -> Select[Any]:
    return select(models.QueueMember.__table__, EARLIEST).where(
        MEMBERS.account_sid == account_sid, MEMBERS.queue_sid == sid, *desk.WAITING
    )


def _shown(connection: Connection, member: Row[Any]) -> dict[str, Any]:
    """`wait_time` in whole seconds; `position` 1 is the front."""
    place = (member.account_sid, member.queue_sid, member.call_sid)
    return {
        "queue_sid": member.queue_sid,
        "call_sid": member.call_sid,
        "date_enqueued": date(member.date_enqueued),
        "position": position(connection, *place, member.date_enqueued),
        "wait_time": seconds(member.date_enqueued, api().now()),
        "uri": path(member.account_sid, "Queues", member.queue_sid, "Members", member.call_sid),
    }

"""/Queues: made by REST or by the first <Enqueue>, and deleted when empty (twilio-surface 5.10)."""

from typing import Any

from flask import Blueprint, Response, request
from sqlalchemy import Connection, Row, Select, delete, func, select, update
from sqlalchemy.exc import IntegrityError

from callrouter import models
from callrouter.api import params
from callrouter.api.access import demand_active
from callrouter.api.context import api
from callrouter.api.paging import page
from callrouter.api.params import parameter
from callrouter.api.render import Kind, date, deleted, not_found, path, respond, respond_list
from callrouter.api.routes import route
from callrouter.directory.errors import Missing, Refused
from callrouter.queues import desk
from callrouter.queues.standing import standing
from foundation.webserver.errors import ApiError

KIND = Kind(one="Queue", many="Queues", key="queues")
COLLECTION = "/Accounts/<account_sid>/Queues"
INSTANCE = f"{COLLECTION}/<sid>"
QUEUES = models.Queue.__table__.c
NAME_TAKEN, NOT_EMPTY = 22003, 20009
LONGEST_NAME = 64
SETTINGS = (
    parameter(
        "FriendlyName", "friendly_name", params.matching(f".{{1,{LONGEST_NAME}}}", "1 to 64 characters")
    ),
    parameter("MaxSize", "max_size", params.integer(1, desk.LARGEST)),
)

routes = Blueprint("queues", __name__)
routes.before_request(demand_active)


@route(routes, "GET", COLLECTION)
def list_queues(account_sid: str) -> Response:
    def work(connection: Connection) -> Any:
        found = page(connection, listed(account_sid), QUEUES.date_created, QUEUES.sid)
        return found, [shown(connection, row) for row in found.rows]

    found, queues = api().read(work)
    return respond_list(KIND, found, queues)


@route(routes, "POST", COLLECTION)
def create_queue(account_sid: str) -> Response:
    wanted, now = params.given(SETTINGS, request.form), api().now()
    if "friendly_name" not in wanted:
        raise ApiError(400, params.INVALID, "FriendlyName is required: what the queue is called.")
    try:
        sid = api().write(lambda c: desk.create(c, account_sid, now, **wanted))
    except IntegrityError as error:
        raise _taken(wanted["friendly_name"]) from error
    return respond(KIND, _fetched(account_sid, sid), 201)


@route(routes, "GET", INSTANCE)
def fetch_queue(account_sid: str, sid: str) -> Response:
    return respond(KIND, _fetched(account_sid, sid))


@route(routes, "POST", INSTANCE)
def change_queue(account_sid: str, sid: str) -> Response:
    fetch(account_sid, sid)
    wanted = {**params.given(SETTINGS, request.form), "date_updated": api().now()}
    mine = (models.Queue.account_sid == account_sid, models.Queue.sid == sid)
    try:
        api().write(lambda c: c.execute(update(models.Queue).where(*mine).values(wanted)))
    except IntegrityError as error:
        raise _taken(wanted["friendly_name"]) from error
    return respond(KIND, _fetched(account_sid, sid))


@route(routes, "DELETE", INSTANCE)
def delete_queue(account_sid: str, sid: str) -> Response:
    """Only while nobody is at it: neither a caller nor an agent."""

    def work(connection: Any) -> None:
        queue, member = models.Queue, models.QueueMember
        mine = (queue.account_sid == account_sid, queue.sid == sid)
        if connection.execute(select(queue.sid).where(*mine).with_for_update()).first() is None:
            raise Missing(f"Queue {sid}")
        there = select(func.count()).where(member.account_sid == account_sid, member.queue_sid == sid)
        if connection.execute(there).scalar_one():
            raise Refused(NOT_EMPTY, f"Queue {sid} is not empty; it can be deleted when everybody has left")
        connection.execute(delete(queue).where(*mine))

    api().write(work)
    return deleted()


def listed(account_sid: str) -> Select[Any]:
    return select(models.Queue.__table__).where(QUEUES.account_sid == account_sid)


def fetch(account_sid: str, sid: str) -> Row[Any]:
    """The account's queue; ApiError 404/20404 when it has none of that SID."""
    row = api().read(lambda c: c.execute(listed(account_sid).where(QUEUES.sid == sid)).one_or_none())
    if row is None:
        raise not_found()
    return row


def shown(connection: Connection, queue: Row[Any]) -> dict[str, Any]:
    stands = standing(connection, queue.account_sid, queue.sid, api().now())
    return {
        "sid": queue.sid,
        "account_sid": queue.account_sid,
        "friendly_name": queue.friendly_name,
        "current_size": stands.size,
        "average_wait_time": stands.average,
        "max_size": queue.max_size,
        "date_created": date(queue.date_created),
        "date_updated": date(queue.date_updated),
        "uri": path(queue.account_sid, "Queues", queue.sid),
    }


def _fetched(account_sid: str, sid: str) -> dict[str, Any]:
    row = fetch(account_sid, sid)
    return api().read(lambda c: shown(c, row))


def _taken(name: str) -> ApiError:
    return ApiError(400, NAME_TAKEN, f"There is a queue of the name {name!r} already.")

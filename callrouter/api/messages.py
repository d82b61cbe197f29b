"""/Messages: what was written and what is to be sent; list, fetch, send, cancel, redact, delete (twilio-surface 5.8).
An `Idempotency-Key` header makes a repeated POST the same message.
"""

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, Response, request
from sqlalchemy import Connection, Row, Select, delete, select, update

from callrouter import models
from callrouter.api import files, params
from callrouter.api.access import demand_active
from callrouter.api.context import api
from callrouter.api.message_create import submission
from callrouter.api.message_view import shown
from callrouter.api.paging import page
from callrouter.api.params import parameter
from callrouter.api.periods import given_periods
from callrouter.api.render import Kind, deleted, not_found, respond, respond_list
from callrouter.api.routes import route
from callrouter.directory.errors import Missing, Refused
from callrouter.messages import retracting, states
from callrouter.messages.status import CANCELABLE, Status
from foundation.webserver.errors import ApiError

KIND = Kind(one="Message", many="Messages", key="messages")
COLLECTION = "/Accounts/<account_sid>/Messages"
INSTANCE = f"{COLLECTION}/<sid>"
FILTERS = (parameter("To", "to", params.text(300)), parameter("From", "from", params.text(300)))
BAD_UPDATE, TOO_LATE, NOT_COMPLETE = 30400, 30409, 20009
CHANGES = (
    parameter("Body", "body", params.choice(("",), BAD_UPDATE)),
    parameter("Status", "status", params.choice(("canceled",), BAD_UPDATE)),
)
IN_PROGRESS = CANCELABLE | {Status.SENDING, Status.RECEIVING}
HANGING_ON = (models.MessageMedia, models.MessageDecision)
LOGS = (models.Notification, models.Delivery, models.TimelineEntry)
"""Their `call_sid` is the message's SID."""
MESSAGES = models.Message.__table__.c

routes = Blueprint("messages", __name__)
routes.before_request(demand_active)


@route(routes, "GET", COLLECTION)
def list_messages(account_sid: str) -> Response:
    filters = params.given(FILTERS, request.args)
    query = listed(account_sid).where(*(MESSAGES[name] == value for name, value in filters.items() if value))
    query = query.where(*given_periods({"DateSent": MESSAGES.date_sent}, request.args))
    found = api().read(lambda c: page(c, query, MESSAGES.date_created, MESSAGES.sid))
    return respond_list(KIND, found, [shown(row) for row in found.rows])


@route(routes, "POST", COLLECTION)
def create_message(account_sid: str) -> Response:
    now, key = api().now(), request.headers.get("Idempotency-Key")
    wanted = api().read(lambda c: submission(c, account_sid, request.form, now, key=key))
    return respond(KIND, shown(fetch(account_sid, api().messages.submit(wanted))), 201)


@route(routes, "GET", INSTANCE)
def fetch_message(account_sid: str, sid: str) -> Response:
    return respond(KIND, shown(fetch(account_sid, sid)))


@route(routes, "POST", INSTANCE)
def change_message(account_sid: str, sid: str) -> Response:
    """Either an empty `Body`, which redacts it, or `Status=canceled` while it has not left."""
    fetch(account_sid, sid)
    changes = params.given(CHANGES, request.form)
    if len(changes) != 1:
        raise ApiError(400, BAD_UPDATE, "Give either an empty Body, to redact, or Status=canceled.")
    if "status" in changes:
        api().messages.cancel(account_sid, sid)
    else:
        now = api().now()
        api().write(lambda c: _redact(c, account_sid, sid, now))
    return respond(KIND, shown(fetch(account_sid, sid)))


@route(routes, "DELETE", INSTANCE)
def delete_message(account_sid: str, sid: str) -> Response:
    """Removes the record and what hangs on it: media, decisions on its route, notifications, webhooks; and the copy
    that the presence server has for a client's devices.

    The media's files first: what is not listed any more must not be anywhere.
    """
    for media_sid in api().read(lambda c: _files(c, account_sid, sid)):
        files.remove(api().media.attachment, account_sid, media_sid)

    now = api().now()

    def work(connection: Connection) -> None:
        retracting.queue(connection, _settled(connection, account_sid, sid), now)
        for table in HANGING_ON:
            mine = (table.account_sid == account_sid, table.message_sid == sid)
            connection.execute(delete(table).where(*mine))
        for log in LOGS:
            connection.execute(delete(log).where(log.account_sid == account_sid, log.call_sid == sid))
        message = models.Message
        connection.execute(delete(message).where(message.account_sid == account_sid, message.sid == sid))

    api().write(work)
    return deleted()


def listed(account_sid: str) -> Select[Any]:
    return select(models.Message.__table__).where(MESSAGES.account_sid == account_sid)


def fetch(account_sid: str, sid: str) -> Row[Any]:
    """The account's message; ApiError 404/20404 when it has none of that SID."""
    row = api().read(lambda c: states.found(c, account_sid, sid))
    if row is None:
        raise not_found()
    return row


def _files(connection: Connection, account_sid: str, sid: str) -> Sequence[str]:
    """The SIDs of its media."""
    _settled(connection, account_sid, sid)
    media = models.MessageMedia
    mine = (media.account_sid == account_sid, media.message_sid == sid)
    return connection.execute(select(media.sid).where(*mine)).scalars().all()


def _redact(connection: Connection, account_sid: str, sid: str, now: float) -> None:
    """Its text goes, also from the webhooks that told it; what it cost stays."""
    _settled(connection, account_sid, sid)
    message, log = models.Message, models.Delivery
    mine = update(message).where(message.account_sid == account_sid, message.sid == sid)
    connection.execute(mine.values(body="", date_updated=now))
    told = update(log).where(log.account_sid == account_sid, log.call_sid == sid)
    connection.execute(told.values(parameters={}, response_body=None))


def _settled(connection: Connection, account_sid: str, sid: str) -> Row[Any]:
    """The message. Refused with 20009 while it is on its way, or its app is still being asked."""
    row = connection.execute(listed(account_sid).where(MESSAGES.sid == sid)).one_or_none()
    if row is None:
        raise Missing(f"Message {sid}")
    program = models.MessageProgram
    asking = select(program.message_sid).where(program.account_sid == account_sid, program.message_sid == sid)
    if row.status in IN_PROGRESS or connection.execute(asking).first() is not None:
        raise Refused(NOT_COMPLETE, f"Message {sid} is still on its way ({row.status}); try again later")
    return row

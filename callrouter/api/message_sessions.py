"""/v1/Accounts/{AC}/MessageSessions: a phone and a client that write to each other through a number of the account
(PR-71). They are opened here, by `<Message session="…">` and by clients. callrouter's own: Twilio has no such resource.
"""

from typing import Any

from flask import Blueprint, Response, request
from sqlalchemy import Connection, Row, select

from callrouter.api import params
from callrouter.api.access import demand_active
from callrouter.api.context import api
from callrouter.api.message_create import otherwise
from callrouter.api.messaging.rendering import moment, respond, respond_list, url
from callrouter.api.paging import page
from callrouter.api.params import parameter
from callrouter.api.render import not_found
from callrouter.api.routes import route
from callrouter.directory.e164 import E164
from callrouter.messages import senders, sessions
from callrouter.messages.from_clients import CLIENT_NAME
from callrouter.models import Message, MessageSession
from foundation.sids import MESSAGE_SESSION, new_sid
from foundation.webserver.errors import ApiError

COLLECTION = "/Accounts/<account_sid>/MessageSessions"
INSTANCE = f"{COLLECTION}/<sid>"
STATUSES = (sessions.OPEN, sessions.CLOSED, sessions.TIMED_OUT)
INVALID_PHONE, INVALID_CLIENT = 21211, 31105
NEW = (
    parameter("Phone", "phone", params.text(16)),
    parameter("Number", "number", params.text(16)),
    parameter("Client", "client", params.text(256)),
    parameter("Timeout", "timeout", params.integer(1, sessions.LONGEST)),
    parameter("Otherwise", "otherwise", otherwise),
)
CHANGE = (
    parameter("Status", "status", params.choice((sessions.CLOSED,))),
    parameter("Timeout", "timeout", params.integer(1, sessions.LONGEST)),
)
FILTER = (
    parameter("Status", "status", params.choice(STATUSES)),
    parameter("Client", "client", params.text(256)),
    parameter("Phone", "phone", params.text(16)),
)
ROWS, MESSAGES = MessageSession.__table__.c, Message.__table__.c

routes = Blueprint("message_sessions", __name__)
routes.before_request(demand_active)


@route(routes, "GET", COLLECTION, suffixes=("",))
def list_sessions(account_sid: str) -> Response:
    query = sessions.listed(account_sid, api().now(), **params.given(FILTER, request.args))
    found = api().read(lambda c: page(c, query, ROWS.date_created, ROWS.sid))
    return respond_list("message_sessions", found, [_shown(row) for row in found.rows])


@route(routes, "POST", COLLECTION, suffixes=("",))
def open_session(account_sid: str) -> Response:
    """Opens one, or goes on with the one that these three have: 201, or 200."""
    given, now, fresh = params.given(NEW, request.form), api().now(), new_sid(MESSAGE_SESSION)
    missing = [one.name for one in NEW[:3] if not given.get(one.field)]
    if missing:
        raise ApiError(400, 20001, f"{', '.join(missing)} must be given.")
    if not E164.fullmatch(given["phone"]):
        raise ApiError(400, INVALID_PHONE, "Phone takes a number in E.164, such as +15551234567.")

    if not CLIENT_NAME.fullmatch(given["client"]):
        raise ApiError(400, INVALID_CLIENT, "Client takes a client's name, without blanks.")

    def work(connection: Connection) -> Row[Any] | None:
        senders.owned(connection, account_sid, given["number"], given["phone"])
        sid = sessions.begin(
            connection, account_sid, **{"timeout": sessions.USUAL, **given}, now=now, sid=fresh
        )
        return sessions.find(connection, account_sid, sid)

    row = _there(api().write(work))
    return respond(_shown(row), 201 if row.sid == fresh else 200)


@route(routes, "GET", INSTANCE, suffixes=("",))
def fetch_session(account_sid: str, sid: str) -> Response:
    return respond(_shown(_there(api().read(lambda c: sessions.find(c, account_sid, sid)))))


@route(routes, "POST", INSTANCE, suffixes=("",))
def change_session(account_sid: str, sid: str) -> Response:
    """Closes it, or gives it another timeout, from now on. One that has ended stays as it ended."""
    given, now = params.given(CHANGE, request.form), api().now()

    def work(connection: Connection) -> Row[Any] | None:
        if "timeout" in given:
            sessions.set_timeout(connection, account_sid, sid, given["timeout"], now)
        if "status" in given:
            sessions.close(connection, account_sid, sid, now)
        return sessions.find(connection, account_sid, sid)

    return respond(_shown(_there(api().write(work))))


@route(routes, "GET", f"{INSTANCE}/Messages", suffixes=("",))
def list_messages(account_sid: str, sid: str) -> Response:
    """What was written in it, by either side, newest first."""
    query = select(Message.__table__).where(MESSAGES.account_sid == account_sid, MESSAGES.session_sid == sid)

    def read(connection: Connection) -> Any:
        _there(sessions.find(connection, account_sid, sid))
        return page(connection, query, MESSAGES.date_created, MESSAGES.sid)

    found = api().read(read)
    return respond_list("messages", found, [_message(row) for row in found.rows])


def _there(row: Row[Any] | None) -> Row[Any]:
    """Not for units of work: the answer says which address has nothing."""
    if row is None:
        raise not_found()
    return row


def _shown(row: Row[Any]) -> dict[str, Any]:
    here = url("Accounts", row.account_sid, "MessageSessions", row.sid)
    return {
        "sid": row.sid,
        "account_sid": row.account_sid,
        "phone": row.phone,
        "number": row.number,
        "client": row.client,
        "otherwise": row.otherwise,
        "status": sessions.status(row, api().now()),
        "timeout": row.timeout,
        "date_ends": moment(row.ends_at),
        "date_created": moment(row.date_created),
        "date_updated": moment(row.date_updated),
        "url": here,
        "links": {"messages": f"{here}/Messages"},
    }


def _message(row: Row[Any]) -> dict[str, Any]:
    return {
        "sid": row.sid,
        "session_sid": row.session_sid,
        "direction": row.direction,
        "answers": row.answers,
        "from": row._mapping["from"],
        "to": row.to,
        "body": row.body,
        "num_media": row.num_media,
        "status": row.status,
        "error_code": row.error_code,
        "date_created": moment(row.date_created),
        "uri": f"/2010-04-01/Accounts/{row.account_sid}/Messages/{row.sid}.json",
    }

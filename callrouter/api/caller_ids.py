"""/OutgoingCallerIds: numbers that an account may show although it does not own them (twilio-surface 5.9)."""

from typing import Any

from flask import Blueprint, Response, request

from callrouter import models
from callrouter.api import params
from callrouter.api.access import demand_active
from callrouter.api.context import api
from callrouter.api.paging import page
from callrouter.api.params import parameter
from callrouter.api.render import Kind, date, deleted, path, respond, respond_list
from callrouter.api.routes import route
from callrouter.api.webhooks import NAME
from callrouter.directory import caller_ids
from callrouter.directory.caller_ids import CallerId
from callrouter.directory.e164 import e164
from callrouter.directory.errors import Refused
from callrouter.directory.rows import value
from foundation.webserver.errors import ApiError

KIND = Kind(one="OutgoingCallerId", many="OutgoingCallerIds", key="outgoing_caller_ids")
COLLECTION = "/Accounts/<account_sid>/OutgoingCallerIds"
INSTANCE = f"{COLLECTION}/<sid>"
PHONE = parameter("PhoneNumber", "phone_number", params.text(64, 21421))

routes = Blueprint("caller_ids", __name__)
routes.before_request(demand_active)


@route(routes, "GET", COLLECTION)
def list_caller_ids(account_sid: str) -> Response:
    query = caller_ids.listed(account_sid, **params.given((NAME, PHONE), request.args))
    table = models.OutgoingCallerId.__table__.c
    found = api().read(lambda c: page(c, query, table.date_created, table.sid))
    return respond_list(KIND, found, [_shown(value(CallerId, row)) for row in found.rows])


@route(routes, "POST", COLLECTION)
def verify_number(account_sid: str) -> Response:
    """Twilio phones the number and asks for a code. This release does not, and so verifies nothing by itself."""
    number = e164(params.given((PHONE,), request.form).get("phone_number", ""))
    if api().read(lambda c: caller_ids.is_verified(c, account_sid, number)):
        raise Refused(caller_ids.VALIDATED_ALREADY, f"{number} is verified for this account already")
    raise ApiError(
        405,
        20004,
        "This release does not phone numbers to verify them; the operator adds those that are yours "
        "with `callrouter callerid create`.",
        {"Allow": "GET, HEAD"},
    )


@route(routes, "GET", INSTANCE)
def fetch_caller_id(account_sid: str, sid: str) -> Response:
    return respond(KIND, _shown(api().read(lambda c: caller_ids.fetch(c, account_sid, sid))))


@route(routes, "POST", INSTANCE)
def rename_caller_id(account_sid: str, sid: str) -> Response:
    now, name = api().now(), params.given((NAME,), request.form).get("friendly_name")
    if name is None:
        return fetch_caller_id(account_sid, sid)
    return respond(KIND, _shown(api().write(lambda c: caller_ids.rename(c, account_sid, sid, name, now))))


@route(routes, "DELETE", INSTANCE)
def delete_caller_id(account_sid: str, sid: str) -> Response:
    api().write(lambda c: caller_ids.remove(c, account_sid, sid))
    return deleted()


def _shown(it: CallerId) -> dict[str, Any]:
    return {
        "sid": it.sid,
        "account_sid": it.account_sid,
        "friendly_name": it.friendly_name,
        "phone_number": it.phone_number,
        "date_created": date(it.date_created),
        "date_updated": date(it.date_updated),
        "uri": path(it.account_sid, "OutgoingCallerIds", it.sid),
    }

"""/SMS/ShortCodes: numbers of 3 to 6 digits that the operator gave to the account, and what is asked for their messages
(https://www.twilio.com/docs/messaging/api/short-code-resource).
"""

from typing import Any

from flask import Blueprint, Response, request

from callrouter import models
from callrouter.api import params
from callrouter.api.access import demand_active
from callrouter.api.context import api
from callrouter.api.paging import page
from callrouter.api.params import parameter
from callrouter.api.render import API_VERSION, Kind, date, path, respond, respond_list
from callrouter.api.routes import route
from callrouter.api.webhooks import NAME, WEBHOOKS
from callrouter.directory import short_codes
from callrouter.directory.rows import value
from callrouter.directory.short_codes import ShortCode

KIND = Kind(one="ShortCode", many="ShortCodes", key="short_codes")
COLLECTION = "/Accounts/<account_sid>/SMS/ShortCodes"
INSTANCE = f"{COLLECTION}/<sid>"
FILTERS = (NAME, parameter("ShortCode", "short_code", params.text(64)))
SETTINGS = (NAME, *(one for one in WEBHOOKS if one.field.startswith("sms_")))
ROWS = models.ShortCode.__table__.c

routes = Blueprint("short_codes", __name__)
routes.before_request(demand_active)


@route(routes, "GET", COLLECTION)
def list_short_codes(account_sid: str) -> Response:
    query = short_codes.listed(account_sid, **params.given(FILTERS, request.args))
    found = api().read(lambda c: page(c, query, ROWS.date_created, ROWS.sid))
    return respond_list(KIND, found, [_shown(value(ShortCode, row)) for row in found.rows])


@route(routes, "GET", INSTANCE)
def fetch_short_code(account_sid: str, sid: str) -> Response:
    return respond(KIND, _shown(api().read(lambda c: short_codes.fetch(c, account_sid, sid))))


@route(routes, "POST", INSTANCE)
def change_short_code(account_sid: str, sid: str) -> Response:
    now, settings = api().now(), params.given(SETTINGS, request.form)
    changed = api().write(lambda c: short_codes.change(c, account_sid, sid, settings, now))
    return respond(KIND, _shown(changed))


def _shown(it: ShortCode) -> dict[str, Any]:
    return {
        "sid": it.sid,
        "account_sid": it.account_sid,
        "friendly_name": it.friendly_name,
        "short_code": it.short_code,
        "api_version": API_VERSION,
        "sms_url": it.sms_url or None,
        "sms_method": it.sms_method,
        "sms_fallback_url": it.sms_fallback_url or None,
        "sms_fallback_method": it.sms_fallback_method,
        "date_created": date(it.date_created),
        "date_updated": date(it.date_updated),
        "uri": path(it.account_sid, "SMS", "ShortCodes", it.sid),
    }

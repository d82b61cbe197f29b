"""/Usage/Triggers: a callback when usage reaches a value (twilio-surface 5.11)."""

from typing import Any

from flask import Blueprint, Response, request

from callrouter import models
from callrouter.api import params
from callrouter.api.access import demand_active
from callrouter.api.context import api
from callrouter.api.paging import page
from callrouter.api.params import parameter
from callrouter.api.render import API_VERSION, Kind, date, deleted, path, respond, respond_list
from callrouter.api.routes import route
from callrouter.directory import webhooks
from callrouter.directory.rows import value
from callrouter.directory.usage import triggers
from callrouter.directory.usage.categories import CATEGORIES
from callrouter.directory.usage.periods import Recurring
from callrouter.directory.usage.triggers import By, Trigger
from callrouter.directory.webhooks import INVALID_CALLBACK, INVALID_METHOD
from foundation.clock import from_timestamp
from foundation.sids import USAGE_TRIGGER, new_sid
from foundation.webserver.errors import ApiError

KIND = Kind(one="UsageTrigger", many="UsageTriggers", key="usage_triggers")
COLLECTION = "/Accounts/<account_sid>/Usage/Triggers"
INSTANCE = f"{COLLECTION}/<sid>"
NUMBER = r"\+?[0-9]{1,15}(\.[0-9]{1,6})?"


def _url(name: str, value: str) -> str:
    if not value:
        raise ApiError(400, INVALID_CALLBACK, f"{name} is required: whom to tell.")
    return webhooks.url(name, value, INVALID_CALLBACK)


FILTERS = (
    parameter("Recurring", "recurring", params.choice(Recurring)),
    parameter("TriggerBy", "trigger_by", params.choice(By)),
    parameter("UsageCategory", "usage_category", params.choice(CATEGORIES)),
)
SETTINGS = (
    parameter("CallbackUrl", "callback_url", _url),
    parameter("CallbackMethod", "callback_method", params.method(INVALID_METHOD)),
    parameter("FriendlyName", "friendly_name", params.text(64, 20002)),
)
VALUE = parameter("TriggerValue", "trigger_value", params.matching(NUMBER, "a number, such as 100 or +30"))

routes = Blueprint("usage_triggers", __name__)
routes.before_request(demand_active)


@route(routes, "GET", COLLECTION)
def list_triggers(account_sid: str) -> Response:
    query = triggers.listed(account_sid, **params.given(FILTERS, request.args))
    table = models.UsageTrigger.__table__.c
    found = api().read(lambda c: page(c, query, table.date_created, table.sid))
    return respond_list(KIND, found, [_shown(value(Trigger, row)) for row in found.rows])


@route(routes, "POST", COLLECTION)
def create_trigger(account_sid: str) -> Response:
    now, sid = api().now(), new_sid(USAGE_TRIGGER)
    given = params.given((*SETTINGS, VALUE, *FILTERS), request.form)
    for needed in (SETTINGS[0], VALUE, FILTERS[2]):
        if not given.get(needed.field):
            raise ApiError(400, params.INVALID, f"{needed.name} is required.")
    made = api().write(lambda c: triggers.create(c, account_sid=account_sid, sid=sid, now=now, **given))
    return respond(KIND, _shown(made), 201)


@route(routes, "GET", INSTANCE)
def fetch_trigger(account_sid: str, sid: str) -> Response:
    return respond(KIND, _shown(api().read(lambda c: triggers.fetch(c, account_sid, sid))))


@route(routes, "POST", INSTANCE)
def change_trigger(account_sid: str, sid: str) -> Response:
    now, given = api().now(), params.given(SETTINGS, request.form)
    return respond(KIND, _shown(api().write(lambda c: triggers.change(c, account_sid, sid, now, **given))))


@route(routes, "DELETE", INSTANCE)
def delete_trigger(account_sid: str, sid: str) -> Response:
    api().write(lambda c: triggers.remove(c, account_sid, sid))
    return deleted()


def _shown(trigger: Trigger) -> dict[str, Any]:
    today = from_timestamp(api().now()).date()
    return {
        "account_sid": trigger.account_sid,
        "sid": trigger.sid,
        "api_version": API_VERSION,
        "friendly_name": trigger.friendly_name,
        "usage_category": trigger.usage_category,
        "trigger_by": trigger.trigger_by,
        "trigger_value": trigger.trigger_value,
        "current_value": str(api().read(lambda c: triggers.current(c, trigger, today))),
        "recurring": trigger.recurring,
        "callback_url": trigger.callback_url,
        "callback_method": trigger.callback_method,
        "date_fired": date(trigger.date_fired),
        "date_created": date(trigger.date_created),
        "date_updated": date(trigger.date_updated),
        "usage_record_uri": trigger.record_uri,
        "uri": path(trigger.account_sid, "Usage", "Triggers", trigger.sid),
    }

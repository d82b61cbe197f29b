"""/Applications: TwiML applications (twilio-surface 5.9)."""

from typing import Any

from flask import Blueprint, Response, request

from callrouter import models
from callrouter.api import params
from callrouter.api.access import demand_active
from callrouter.api.context import api
from callrouter.api.paging import page
from callrouter.api.params import parameter
from callrouter.api.render import Kind, deleted, path, respond, respond_list
from callrouter.api.routes import route
from callrouter.api.webhooks import NAME, WEBHOOKS, shown
from callrouter.directory import applications
from callrouter.directory.applications import Application
from callrouter.directory.rows import value
from foundation.sids import APPLICATION, new_sid

KIND = Kind(one="Application", many="Applications", key="applications")
COLLECTION = "/Accounts/<account_sid>/Applications"
INSTANCE = f"{COLLECTION}/<sid>"
SETTINGS = (
    *WEBHOOKS,
    parameter("SmsStatusCallback", "sms_status_callback", params.text(8192, 21502)),
    parameter("MessageStatusCallback", "message_status_callback", params.text(8192, 21502)),
    parameter("PublicApplicationConnectEnabled", "public_application_connect_enabled", params.flag),
)

routes = Blueprint("applications", __name__)
routes.before_request(demand_active)


@route(routes, "GET", COLLECTION)
def list_applications(account_sid: str) -> Response:
    query = applications.listed(account_sid, **params.given((NAME,), request.args))
    table = models.Application.__table__.c
    found = api().read(lambda c: page(c, query, table.date_created, table.sid))
    return respond_list(KIND, found, [_shown(value(Application, row)) for row in found.rows])


@route(routes, "POST", COLLECTION)
def create_application(account_sid: str) -> Response:
    now, sid, settings = api().now(), new_sid(APPLICATION), params.given(SETTINGS, request.form)
    created = api().write(
        lambda c: applications.create(c, account_sid=account_sid, sid=sid, settings=settings, now=now)
    )
    return respond(KIND, _shown(created), 201)


@route(routes, "GET", INSTANCE)
def fetch_application(account_sid: str, sid: str) -> Response:
    return respond(KIND, _shown(api().read(lambda c: applications.fetch(c, account_sid, sid))))


@route(routes, "POST", INSTANCE)
def change_application(account_sid: str, sid: str) -> Response:
    now, settings = api().now(), params.given(SETTINGS, request.form)
    changed = api().write(lambda c: applications.change(c, account_sid, sid, settings, now))
    return respond(KIND, _shown(changed))


@route(routes, "DELETE", INSTANCE)
def delete_application(account_sid: str, sid: str) -> Response:
    api().write(lambda c: applications.remove(c, account_sid, sid))
    return deleted()


def _shown(application: Application) -> dict[str, Any]:
    return {
        **shown(application),
        "sms_status_callback": application.sms_status_callback,
        "message_status_callback": application.message_status_callback,
        "public_application_connect_enabled": application.public_application_connect_enabled,
        "uri": path(application.account_sid, "Applications", application.sid),
    }

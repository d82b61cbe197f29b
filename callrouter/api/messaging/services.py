"""/v1/Services: senders that an account uses as one (https://www.twilio.com/docs/messaging/api/service-resource)."""

from typing import Any

from flask import Blueprint, Response, request

from callrouter import models
from callrouter.api import params
from callrouter.api.access import demand_active
from callrouter.api.context import account, api
from callrouter.api.messaging.rendering import absolute, moment, respond, respond_list, url
from callrouter.api.paging import page
from callrouter.api.params import parameter
from callrouter.api.render import deleted, path
from callrouter.api.routes import route
from callrouter.api.webhooks import NAME
from callrouter.directory import messaging_services
from callrouter.directory.messaging_services import Service
from callrouter.directory.rows import value
from foundation.sids import MESSAGING_SERVICE, new_sid
from foundation.webserver.errors import ApiError

COLLECTION = "/Services"
INSTANCE = f"{COLLECTION}/<sid>"
LONGEST_VALIDITY = 36_000
USECASES = ("notifications", "marketing", "verification", "discussion", "poll", "undeclared")
_URL, _METHOD = params.text(8192, 21402), params.text(8, 21403)
SETTINGS = (
    NAME,
    parameter("InboundRequestUrl", "inbound_request_url", _URL),
    parameter("InboundMethod", "inbound_method", _METHOD),
    parameter("FallbackUrl", "fallback_url", _URL),
    parameter("FallbackMethod", "fallback_method", _METHOD),
    parameter("StatusCallback", "status_callback", params.text(8192, 21502)),
    parameter("StickySender", "sticky_sender", params.flag),
    parameter("MmsConverter", "mms_converter", params.flag),
    parameter("SmartEncoding", "smart_encoding", params.flag),
    parameter("ScanMessageContent", "scan_message_content", params.choice(("inherit", "enable", "disable"))),
    parameter("AreaCodeGeomatch", "area_code_geomatch", params.flag),
    parameter("ValidityPeriod", "validity_period", params.integer(1, LONGEST_VALIDITY, 21624)),
    parameter("SynchronousValidation", "synchronous_validation", params.flag),
    parameter("Usecase", "usecase", params.choice(USECASES)),
    parameter("UseInboundWebhookOnNumber", "use_inbound_webhook_on_number", params.flag),
)
POOLS = {"phone_numbers": "PhoneNumbers", "short_codes": "ShortCodes", "alpha_senders": "AlphaSenders"}
ROWS = models.MessagingService.__table__.c

routes = Blueprint("messaging_services", __name__)
routes.before_request(demand_active)


@route(routes, "GET", COLLECTION, suffixes=("",))
def list_services() -> Response:
    query = messaging_services.listed(account().account_sid)
    found = api().read(lambda c: page(c, query, ROWS.date_created, ROWS.sid))
    return respond_list("services", found, [_shown(value(Service, row)) for row in found.rows])


@route(routes, "POST", COLLECTION, suffixes=("",))
def create_service() -> Response:
    owner, now, sid = account().account_sid, api().now(), new_sid(MESSAGING_SERVICE)
    settings = params.given(SETTINGS, request.form)
    if not settings.get("friendly_name"):
        raise ApiError(400, 20001, "FriendlyName is required: what people call the service.")
    made = api().write(
        lambda c: messaging_services.create(c, account_sid=owner, sid=sid, settings=settings, now=now)
    )
    return respond(_shown(made), 201)


@route(routes, "GET", INSTANCE, suffixes=("",))
def fetch_service(sid: str) -> Response:
    owner = account().account_sid
    return respond(_shown(api().read(lambda c: messaging_services.fetch(c, owner, sid))))


@route(routes, "POST", INSTANCE, suffixes=("",))
def change_service(sid: str) -> Response:
    owner, now, settings = account().account_sid, api().now(), params.given(SETTINGS, request.form)
    if settings.get("friendly_name") == "":
        raise ApiError(400, 20001, "FriendlyName must not be empty.")
    return respond(_shown(api().write(lambda c: messaging_services.change(c, owner, sid, settings, now))))


@route(routes, "DELETE", INSTANCE, suffixes=("",))
def delete_service(sid: str) -> Response:
    owner = account().account_sid
    api().write(lambda c: messaging_services.remove(c, owner, sid))
    return deleted()


def _shown(it: Service) -> dict[str, Any]:
    settings = {one.field: getattr(it, one.field) for one in SETTINGS}
    unset = {name: None for name, given in settings.items() if given == ""}
    here = url("Services", it.sid)
    return {
        "sid": it.sid,
        "account_sid": it.account_sid,
        **settings,
        **unset,
        "fallback_to_long_code": False,
        "us_app_to_person_registered": False,
        "date_created": moment(it.date_created),
        "date_updated": moment(it.date_updated),
        "url": here,
        "links": {
            **{name: f"{here}/{last}" for name, last in POOLS.items()},
            "messages": absolute(path(it.account_sid, "Messages")),
        },
    }

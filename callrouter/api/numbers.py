"""/IncomingPhoneNumbers and its lists by type (twilio-surface 5.9).

A deployment owns its numbers, so there is no market: POST with `PhoneNumber` takes a number that no account
has, and with `AreaCode` one that the operator offers.
"""

from typing import Any

from flask import Blueprint, Response, request
from sqlalchemy import Connection, Row

from callrouter import models
from callrouter.api import params
from callrouter.api.access import demand_active
from callrouter.api.context import api, principal
from callrouter.api.paging import page
from callrouter.api.params import parameter
from callrouter.api.render import Kind, deleted, not_found, path, respond, respond_list
from callrouter.api.routes import View, route
from callrouter.api.webhooks import NAME, WEBHOOKS, shown
from callrouter.directory import accounts, numbers, pool
from callrouter.directory.e164 import NumberType, number_type
from callrouter.directory.numbers import Number
from callrouter.directory.rows import value
from foundation.sids import PHONE_NUMBER, new_sid
from foundation.webserver.errors import ApiError

KIND = Kind(one="IncomingPhoneNumber", many="IncomingPhoneNumbers", key="incoming_phone_numbers")
COLLECTION = "/Accounts/<account_sid>/IncomingPhoneNumbers"
INSTANCE = f"{COLLECTION}/<sid>"
PHONE = parameter("PhoneNumber", "phone_number", params.text(64, 21421))
SETTINGS = (
    *WEBHOOKS,
    parameter("VoiceApplicationSid", "voice_application_sid", params.text(34, 21420)),
    parameter("SmsApplicationSid", "sms_application_sid", params.text(34, 21420)),
)
AREA = parameter("AreaCode", "area_code", params.matching(r"[2-9][0-9]{2}", "three digits", 21451))
TRANSFER = parameter("AccountSid", "account_sid", params.text(34))

routes = Blueprint("numbers", __name__)
routes.before_request(demand_active)


def _lists(type: NumberType | None) -> tuple[View, View]:
    """The views of a collection: all numbers, or those of one type."""

    def is_listed(row: Row[Any]) -> bool:
        return type is None or number_type(row.phone_number) is type

    def list_numbers(account_sid: str) -> Response:
        query = numbers.listed(account_sid, **params.given((NAME, PHONE), request.args))
        table = models.PhoneNumber.__table__.c
        found = api().read(lambda c: page(c, query, table.date_created, table.sid, is_listed))
        return respond_list(KIND, found, [_shown(value(Number, row)) for row in found.rows])

    def create_number(account_sid: str) -> Response:
        now, sid, settings = api().now(), new_sid(PHONE_NUMBER), params.given(SETTINGS, request.form)
        wanted = params.given((PHONE, AREA), request.form)
        created = api().write(
            lambda c: numbers.create(
                c,
                account_sid=account_sid,
                sid=sid,
                phone_number=wanted.get("phone_number") or _offered(c, wanted.get("area_code"), type),
                settings=settings,
                now=now,
            )
        )
        return respond(KIND, _shown(created), 201)

    suffix = f"_{type.name.lower()}" if type else ""
    list_numbers.__name__ += suffix
    create_number.__name__ += suffix
    return list_numbers, create_number


for _path, _type in (
    (COLLECTION, None),
    (f"{COLLECTION}/Local", NumberType.LOCAL),
    (f"{COLLECTION}/Mobile", NumberType.MOBILE),
    (f"{COLLECTION}/TollFree", NumberType.TOLL_FREE),
):
    _list, _create = _lists(_type)
    route(routes, "GET", _path)(_list)
    route(routes, "POST", _path)(_create)


@route(routes, "GET", INSTANCE)
def fetch_number(account_sid: str, sid: str) -> Response:
    return respond(KIND, _shown(api().read(lambda c: numbers.fetch(c, account_sid, sid))))


@route(routes, "POST", INSTANCE)
def change_number(account_sid: str, sid: str) -> Response:
    now, settings = api().now(), params.given((*SETTINGS, TRANSFER), request.form)
    if "account_sid" in settings:
        _check_transfer(settings["account_sid"])
    changed = api().write(lambda c: numbers.change(c, account_sid, sid, settings, now))
    return respond(KIND, _shown(changed))


@route(routes, "DELETE", INSTANCE)
def delete_number(account_sid: str, sid: str) -> Response:
    api().write(lambda c: numbers.remove(c, account_sid, sid))
    return deleted()


def _offered(connection: Connection, area_code: str | None, type: NumberType | None) -> str:
    """The number that was offered longest in this area."""
    if area_code is None:
        raise ApiError(400, 21421, "PhoneNumber or AreaCode is required.")
    wanted = pool.available(connection, pattern=f"+1{area_code}*")
    found = next((one for one in wanted if type is None or number_type(one) is type), None)
    if found is None:
        raise ApiError(400, 21452, f"No number of area {area_code} is offered here.")
    return found


def _check_transfer(target_sid: str) -> None:
    """A number goes only where the principal may act."""
    target = api().read(lambda c: accounts.find(c, target_sid))
    if target is None or not principal().may_act_on(target):
        raise not_found()


def _shown(number: Number) -> dict[str, Any]:
    return {
        **shown(number),
        "phone_number": number.phone_number,
        "voice_application_sid": number.voice_application_sid or None,
        "sms_application_sid": number.sms_application_sid or None,
        "voice_receive_mode": "voice",
        "capabilities": {"voice": True, "sms": True, "mms": True, "fax": False},
        "status": "in-use",
        "type": number_type(number.phone_number),
        "origin": "hosted",
        "beta": False,
        "address_requirements": "none",
        "address_sid": None,
        "bundle_sid": None,
        "identity_sid": None,
        "trunk_sid": None,
        "emergency_status": "Inactive",
        "emergency_address_sid": None,
        "emergency_address_status": "unregistered",
        "uri": path(number.account_sid, "IncomingPhoneNumbers", number.sid),
    }

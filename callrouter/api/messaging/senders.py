"""/v1/Services/{MG}/PhoneNumbers, ShortCodes and AlphaSenders: whom a messaging service sends from
(https://www.twilio.com/docs/messaging/api/phonenumber-resource).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, request
from sqlalchemy import Connection

from callrouter.api import params
from callrouter.api.access import demand_active
from callrouter.api.context import account, api
from callrouter.api.messaging.rendering import moment, respond, respond_list, url
from callrouter.api.paging import page
from callrouter.api.params import parameter
from callrouter.api.render import deleted, not_found
from callrouter.api.routes import View, route
from callrouter.directory import messaging_services, sender_pools
from callrouter.directory.e164 import country
from callrouter.directory.rows import value
from callrouter.directory.sender_pools import Sender
from foundation.sids import ALPHA_SENDER, PHONE_NUMBER, SHORT_CODE, is_sid, new_sid
from foundation.webserver.errors import ApiError

COLUMNS = sender_pools.ROWS.c
Facts = Callable[[str], dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Pool:
    """One kind of senders. `facts`: what Twilio shows of a sender besides where it is."""

    path: str
    key: str
    prefix: str
    parameter: str
    facts: Facts


def _phone_number(sender: str) -> dict[str, Any]:
    shown = {"phone_number": sender, "country_code": country(sender)}
    return {**shown, "capabilities": ["Voice", "SMS", "MMS"]}


def _short_code(sender: str) -> dict[str, Any]:
    return {"short_code": sender, "country_code": None, "capabilities": ["SMS", "MMS"]}


def _alpha_sender(sender: str) -> dict[str, Any]:
    return {"alpha_sender": sender, "capabilities": ["SMS"]}


POOLS = (
    Pool(
        path="PhoneNumbers",
        key="phone_numbers",
        prefix=PHONE_NUMBER,
        parameter="PhoneNumberSid",
        facts=_phone_number,
    ),
    Pool(
        path="ShortCodes",
        key="short_codes",
        prefix=SHORT_CODE,
        parameter="ShortCodeSid",
        facts=_short_code,
    ),
    Pool(
        path="AlphaSenders",
        key="alpha_senders",
        prefix=ALPHA_SENDER,
        parameter="AlphaSender",
        facts=_alpha_sender,
    ),
)

routes = Blueprint("messaging_senders", __name__)
routes.before_request(demand_active)


def _views(pool: Pool) -> tuple[View, View, View, View]:
    """List, add, fetch and remove."""
    wanted = parameter(pool.parameter, "sender", params.text(64))

    def list_senders(service_sid: str) -> Response:
        owner = account().account_sid

        def read(connection: Connection) -> Any:
            messaging_services.fetch(connection, owner, service_sid)
            query = sender_pools.listed(owner, service_sid, pool.prefix)
            return page(connection, query, COLUMNS.date_created, COLUMNS.sender_sid)

        found = api().read(read)
        return respond_list(pool.key, found, [_shown(pool, value(Sender, row)) for row in found.rows])

    def add_sender(service_sid: str) -> Response:
        owner, now, fresh = account().account_sid, api().now(), new_sid(pool.prefix)
        given = params.given((wanted,), request.form).get("sender", "")
        if not given:
            raise ApiError(400, 20001, f"{pool.parameter} is required.")

        def work(connection: Connection) -> tuple[Sender, bool]:
            if pool.prefix == ALPHA_SENDER:
                return sender_pools.add_name(connection, owner, service_sid, fresh, given, now)
            if not is_sid(given, pool.prefix):
                raise ApiError(400, sender_pools.NOT_OURS, f"{pool.parameter} is a SID, {pool.prefix}….")
            return sender_pools.add(connection, owner, service_sid, given, now)

        sender, is_new = api().write(work)
        return respond(_shown(pool, sender), 201 if is_new else 200)

    def fetch_sender(service_sid: str, sid: str) -> Response:
        owner = account().account_sid
        _demand_kind(pool, sid)
        return respond(_shown(pool, api().read(lambda c: sender_pools.fetch(c, owner, service_sid, sid))))

    def remove_sender(service_sid: str, sid: str) -> Response:
        owner = account().account_sid
        _demand_kind(pool, sid)
        api().write(lambda c: sender_pools.remove(c, owner, service_sid, sid))
        return deleted()

    views = (list_senders, add_sender, fetch_sender, remove_sender)
    for view in views:
        view.__name__ += f"_{pool.key}"
    return views


for _pool in POOLS:
    _collection = f"/Services/<service_sid>/{_pool.path}"
    _list, _add, _fetch, _remove = _views(_pool)
    route(routes, "GET", _collection, suffixes=("",))(_list)
    route(routes, "POST", _collection, suffixes=("",))(_add)
    route(routes, "GET", f"{_collection}/<sid>", suffixes=("",))(_fetch)
    route(routes, "DELETE", f"{_collection}/<sid>", suffixes=("",))(_remove)


def _demand_kind(pool: Pool, sid: str) -> None:
    """A number is not found among short codes."""
    if not is_sid(sid, pool.prefix):
        raise not_found()


def _shown(pool: Pool, it: Sender) -> dict[str, Any]:
    return {
        "sid": it.sender_sid,
        "account_sid": it.account_sid,
        "service_sid": it.service_sid,
        **pool.facts(it.sender),
        "date_created": moment(it.date_created),
        "date_updated": moment(it.date_updated),
        "url": url("Services", it.service_sid, pool.path, it.sender_sid),
    }

"""`/Destinations`: names that stand for several clients (PR-28, PR-61)."""

from typing import Any
from urllib.parse import quote

from flask import Blueprint, Response, jsonify

from foundation.sids import ACCOUNT
from foundation.webserver.errors import ApiError
from presence import fields
from presence.access.callers import Caller, Kind
from presence.api import paging
from presence.api.shared import Api, client_name, sid, stored
from presence.definitions.destinations import MOST_TARGETS, Destination, Destinations, Target, absent
from presence.identity import LONGEST, is_client_name
from presence.reading.rendering import moment


def destinations(api: Api) -> Blueprint:
    routes = Blueprint("destinations", __name__, url_prefix="/v1/Accounts/<account_sid>/Destinations")
    stock = Destinations(api.store)

    def admitted(account_sid: str, name: str | None = None) -> Caller:
        caller = api.access.asks(sid(account_sid, ACCOUNT), Kind.SERVICE, Kind.ACCOUNT)
        if name is not None and not is_client_name(name):
            raise absent(name)
        return caller

    @routes.get("")
    def fetch_all(account_sid: str) -> Response:
        admitted(account_sid)
        after, size = paging.asked()
        found = stock.all(account_sid, after=after, most=size + 1)
        shown, more = paging.page(found, size, lambda one: one.name)
        return jsonify(destinations=[_shown(account_sid, one) for one in shown], next_page_token=more)

    @routes.get("/<name>")
    def fetch(account_sid: str, name: str) -> Response:
        admitted(account_sid, name)
        return jsonify(_shown(account_sid, stock.find(account_sid, name)))

    @routes.put("/<name>")
    def put(account_sid: str, name: str) -> tuple[Response, int]:
        caller = admitted(account_sid)
        targets = _targets(fields.body(), caller)
        created = stored(stock.put(account_sid, client_name(name), targets, api.now()))
        return jsonify(_shown(account_sid, stock.find(account_sid, name))), 201 if created else 200

    @routes.delete("/<name>")
    def delete(account_sid: str, name: str) -> tuple[str, int]:
        admitted(account_sid, name)
        stored(stock.delete(account_sid, name))
        return "", 204

    return routes


def _targets(body: dict[str, Any], caller: Caller) -> list[Target]:
    given = body.get("targets")
    if not isinstance(given, list) or not 1 <= len(given) <= MOST_TARGETS:
        raise fields.invalid(f"targets must be a list of 1 to {MOST_TARGETS}.")
    targets = [_target(one, caller) for one in given]
    if len(set(targets)) < len(targets):
        raise fields.invalid("targets names a client twice.")
    return targets


def _target(given: object, caller: Caller) -> Target:
    if not isinstance(given, dict):
        raise fields.invalid("Each of targets must be an object: client, account_sid.")
    client = client_name(fields.text(given, "client", LONGEST))
    account_sid = fields.text(given, "account_sid", 34, default=caller.account_sid)
    if caller.kind is not Kind.SERVICE and account_sid != caller.account_sid:
        raise ApiError(403, 20403, "Refused: targets of other accounts are for the operator to set.")
    return Target(account_sid, client)


def _shown(account_sid: str, one: Destination) -> dict[str, Any]:
    return {
        "account_sid": account_sid,
        "name": one.name,
        "targets": [target._asdict() for target in one.targets],
        "created_at": moment(one.created_at),
        "updated_at": moment(one.updated_at),
        "uri": f"/v1/Accounts/{account_sid}/Destinations/{quote(one.name, safe='')}",
    }

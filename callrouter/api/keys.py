"""/Keys and /SigningKeys: two names for the same API keys (twilio-surface 5.9). A secret is shown once."""

from typing import Any

from flask import Blueprint, Response, request

from callrouter import models
from callrouter.api import params
from callrouter.api.access import demand_active, demand_management
from callrouter.api.context import api
from callrouter.api.paging import page
from callrouter.api.params import parameter
from callrouter.api.render import Kind, date, deleted, respond, respond_list
from callrouter.api.routes import route
from callrouter.directory import credentials, keys
from callrouter.directory.keys import Key
from callrouter.directory.rows import value
from foundation.sids import API_KEY, new_sid

COLLECTIONS = ("/Accounts/<account_sid>/Keys", "/Accounts/<account_sid>/SigningKeys")
INSTANCES = tuple(f"{path}/<sid>" for path in COLLECTIONS)
NAME = parameter("FriendlyName", "friendly_name", params.text(64, 20002))

routes = Blueprint("keys", __name__)
routes.before_request(demand_management)
routes.before_request(demand_active)


@route(routes, "GET", *COLLECTIONS)
def list_keys(account_sid: str) -> Response:
    table = models.ApiKey.__table__.c
    found = api().read(lambda c: page(c, keys.listed(account_sid), table.date_created, table.sid))
    return respond_list(_kind(), found, [_shown(value(Key, row)) for row in found.rows])


@route(routes, "POST", *COLLECTIONS)
def create_key(account_sid: str) -> Response:
    now, sid, secret = api().now(), new_sid(API_KEY), credentials.new_secret()
    credential = credentials.seal(api().keys, secret)
    given = params.given((NAME,), request.form)
    created = api().write(
        lambda c: keys.create(c, account_sid=account_sid, sid=sid, credential=credential, now=now, **given)
    )
    return respond(_kind(), {**_shown(created), "secret": secret}, 201)


@route(routes, "GET", *INSTANCES)
def fetch_key(account_sid: str, sid: str) -> Response:
    return respond(_kind(), _shown(api().read(lambda c: keys.fetch(c, account_sid, sid))))


@route(routes, "POST", *INSTANCES)
def change_key(account_sid: str, sid: str) -> Response:
    now, given = api().now(), params.given((NAME,), request.form)
    if not given:
        return fetch_key(account_sid, sid)
    changed = api().write(lambda c: keys.rename(c, account_sid, sid, given["friendly_name"], now))
    return respond(_kind(), _shown(changed))


@route(routes, "DELETE", *INSTANCES)
def delete_key(account_sid: str, sid: str) -> Response:
    now = api().now()
    api().write(lambda c: keys.remove(c, account_sid, sid, now))
    return deleted()


def _kind() -> Kind:
    if "/SigningKeys" in request.path:
        return Kind(one="SigningKey", many="SigningKeys", key="signing_keys")
    return Kind(one="Key", many="Keys", key="keys")


def _shown(key: Key) -> dict[str, Any]:
    return {
        "sid": key.sid,
        "friendly_name": key.friendly_name,
        "date_created": date(key.date_created),
        "date_updated": date(key.date_updated),
    }

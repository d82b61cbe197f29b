"""/Accounts: the account that asks, and its subaccounts (twilio-surface 5.6)."""

from typing import Any

from flask import Blueprint, Response, request

from callrouter import models
from callrouter.api import params
from callrouter.api.access import demand_management
from callrouter.api.context import account, api, principal
from callrouter.api.paging import page
from callrouter.api.params import parameter
from callrouter.api.render import Kind, date, path, respond, respond_list
from callrouter.api.routes import route
from callrouter.directory import accounts, credentials
from callrouter.directory.accounts import Account, Status
from callrouter.directory.rows import value
from foundation.clock import from_timestamp
from foundation.sids import ACCOUNT, new_sid

KIND = Kind(one="Account", many="Accounts", key="accounts")
SUBRESOURCES = {
    "applications": "Applications",
    "available_phone_numbers": "AvailablePhoneNumbers",
    "balance": "Balance",
    "calls": "Calls",
    "conferences": "Conferences",
    "incoming_phone_numbers": "IncomingPhoneNumbers",
    "keys": "Keys",
    "messages": "Messages",
    "notifications": "Notifications",
    "outgoing_caller_ids": "OutgoingCallerIds",
    "queues": "Queues",
    "recordings": "Recordings",
    "short_codes": "SMS/ShortCodes",
    "signing_keys": "SigningKeys",
    "transcriptions": "Transcriptions",
    "usage": "Usage/Records",
}

NAME = parameter("FriendlyName", "friendly_name", params.text(64, 20002))
STATUS = parameter("Status", "status", params.choice(Status))

routes = Blueprint("accounts", __name__)
routes.before_request(demand_management)


@route(routes, "GET", "/Accounts")
def list_accounts() -> Response:
    filters = params.given((NAME, STATUS), request.args)
    query = accounts.listed(principal().account.account_sid, **filters)
    found = api().read(lambda c: page(c, query, *_order()))
    return respond_list(KIND, found, [_shown(value(Account, row)) for row in found.rows])


@route(routes, "POST", "/Accounts")
def create_account() -> Response:
    now, sid, secret = api().now(), new_sid(ACCOUNT), credentials.new_secret()
    credential = credentials.seal(api().keys, secret)
    name = params.given((NAME,), request.form).get("friendly_name")
    name = name or f"SubAccount Created at {from_timestamp(now):%Y-%m-%d %H:%M:%S}"
    owner = principal().account.account_sid
    created = api().write(
        lambda c: accounts.create(c, sid=sid, friendly_name=name, credential=credential, now=now, owner=owner)
    )
    return respond(KIND, _shown(created), 201)


@route(routes, "GET", "/Accounts/<account_sid>")
def fetch_account(account_sid: str) -> Response:
    return respond(KIND, _shown(account()))


@route(routes, "POST", "/Accounts/<account_sid>")
def change_account(account_sid: str) -> Response:
    now, by = api().now(), principal().account.account_sid
    changes = params.given((NAME, STATUS), request.form)
    changed = api().write(lambda c: accounts.change(c, account_sid, now=now, by=by, **changes))
    return respond(KIND, _shown(changed))


def _order() -> tuple[Any, Any]:
    return models.Account.__table__.c.date_created, models.Account.__table__.c.account_sid


def _shown(shown: Account) -> dict[str, Any]:
    sid = shown.account_sid
    return {
        "sid": sid,
        "owner_account_sid": shown.owner_account_sid,
        "friendly_name": shown.friendly_name,
        "status": shown.status,
        "type": "Full",
        "auth_token": api().keys.open(shown.auth_token_sealed),
        "date_created": date(shown.date_created),
        "date_updated": date(shown.date_updated),
        "uri": path(sid),
        "subresource_uris": {name: path(sid, last) for name, last in SUBRESOURCES.items()},
    }

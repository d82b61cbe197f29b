"""`/Subscriptions`: app servers that are told of changes by signed webhooks (PR-40)."""

from typing import Any

from flask import Blueprint, Response, jsonify

from foundation.outbound.errors import OutboundError
from foundation.outbound.guard import Guard
from foundation.outbound.overrides import split
from foundation.sids import ACCOUNT, SUBSCRIPTION
from presence import fields
from presence.access.callers import Kind
from presence.api.asking import SELECTORS
from presence.api.shared import Api, sid, stored
from presence.reading.rendering import moment
from presence.subscriptions import following
from presence.subscriptions.webhooks import Webhook, Webhooks

LONGEST_URL = 2_000
OWNERS = (Kind.SERVICE, Kind.ACCOUNT)


def subscriptions(api: Api) -> Blueprint:
    routes = Blueprint("subscriptions", __name__, url_prefix="/v1/Accounts/<account_sid>/Subscriptions")
    stock = Webhooks(api.store.database)
    guard = Guard.of(api.settings.outbound_allow)

    def owner(account_sid: str, subscription_sid: str | None = None) -> None:
        api.access.asks(sid(account_sid, ACCOUNT), *OWNERS)
        if subscription_sid is not None:
            sid(subscription_sid, SUBSCRIPTION)

    def url_of(body: dict[str, Any]) -> str:
        url = fields.text(body, "url", LONGEST_URL)
        try:
            guard.check_url(split(url)[0])
        except OutboundError as error:
            raise fields.invalid(f"url: {error.reason} ({error.code}).") from error
        return url

    @routes.get("")
    def fetch_all(account_sid: str) -> Response:
        owner(account_sid)
        return jsonify(subscriptions=[_shown(one) for one in stock.all(account_sid)])

    @routes.post("")
    def create(account_sid: str) -> tuple[Response, int]:
        owner(account_sid)
        body = fields.body()
        url, wanted = url_of(body), following.in_body(body)
        view = {name: body[name] for name in SELECTORS if body.get(name)}
        made = stored(stock.create(account_sid, url, view, wanted.detail, api.now()))
        return jsonify(_shown(made)), 201

    @routes.get("/<subscription_sid>")
    def fetch(account_sid: str, subscription_sid: str) -> Response:
        owner(account_sid, subscription_sid)
        return jsonify(_shown(stock.find(account_sid, subscription_sid)))

    @routes.post("/<subscription_sid>")
    def change(account_sid: str, subscription_sid: str) -> Response:
        owner(account_sid, subscription_sid)
        body = fields.body()
        url = url_of(body) if "url" in body else None
        active = fields.flag(body, "active") if "active" in body else None
        stored(stock.change(account_sid, subscription_sid, api.now(), url=url, active=active))
        return jsonify(_shown(stock.find(account_sid, subscription_sid)))

    @routes.delete("/<subscription_sid>")
    def delete(account_sid: str, subscription_sid: str) -> tuple[str, int]:
        owner(account_sid, subscription_sid)
        stored(stock.delete(account_sid, subscription_sid))
        return "", 204

    return routes


def _shown(one: Webhook) -> dict[str, Any]:
    return {
        "sid": one.sid,
        "account_sid": one.account_sid,
        "url": one.url,
        **one.view,
        "detail": one.detail,
        "active": one.active,
        "cursor": one.cursor,
        "failures": one.attempts,
        "last_error": one.last_error or None,
        "created_at": moment(one.created_at),
        "updated_at": moment(one.updated_at),
        "uri": f"/v1/Accounts/{one.account_sid}/Subscriptions/{one.sid}",
    }

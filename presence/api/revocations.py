"""`/Revocations`: tokens that are to be worth nothing from now on (PR-7)."""

from typing import Any

from flask import Blueprint, Response, jsonify

from foundation.sids import ACCOUNT, API_KEY
from presence import fields
from presence.access.callers import Kind as Caller
from presence.access.jwt_parts import SIZE_LIMIT
from presence.access.revocations import Kind, Revocation
from presence.access.tokens import digest, digest_for
from presence.api import paging
from presence.api.shared import Api, client_name, sid, stored
from presence.identity import LONGEST
from presence.reading.rendering import moment

NAMED = ("token", "token_id", "identity", "key", "account")
"""What can be revoked; a request names one."""


def revocations(api: Api) -> Blueprint:
    routes = Blueprint("revocations", __name__, url_prefix="/v1/Accounts/<account_sid>/Revocations")
    directory = api.directory

    def owner(account_sid: str) -> None:
        api.access.asks(sid(account_sid, ACCOUNT), Caller.SERVICE, Caller.ACCOUNT)

    @routes.post("")
    def create(account_sid: str) -> tuple[Response, int]:
        owner(account_sid)
        kind, value = named(account_sid, fields.body())
        now = api.now()
        if kind is Kind.KEY:
            ending = directory.delete_key(value, now, account_sid=account_sid)
        else:
            ending = directory.revocations.put(account_sid, kind, value, now)
        ended = stored(ending)  # their sockets are told by the watch, as at every other process
        revoked = Revocation(account_sid=account_sid, kind=kind, value=value, at=now)
        return jsonify(revoked=_shown(revoked), ended=len(ended)), 201

    @routes.get("")
    def fetch_all(account_sid: str) -> Response:
        owner(account_sid)
        beyond, size = paging.asked()
        kind, _, value = beyond.partition(":")
        found = directory.revocations.page(account_sid, api.now(), size + 1, beyond=(kind, value))
        shown, more = paging.page(found, size, lambda one: f"{one.kind}:{one.value}")
        return jsonify(revocations=[_shown(one) for one in shown], next_page_token=more)

    def named(account_sid: str, body: dict[str, Any]) -> tuple[Kind, str]:
        asked = [name for name in NAMED if body.get(name) not in (None, False)]
        if len(asked) != 1:
            raise fields.invalid(f"Name exactly one of {', '.join(NAMED)}.")
        match asked[0]:
            case "token":
                return Kind.TOKEN, digest_for(fields.text(body, "token", SIZE_LIMIT), directory, account_sid)
            case "token_id":
                return Kind.TOKEN, digest(fields.text(body, "token_id", 1024))
            case "identity":
                return Kind.IDENTITY, client_name(fields.text(body, "identity", LONGEST))
            case "key":
                return Kind.KEY, sid(fields.text(body, "key", 34), API_KEY)
        if body["account"] is not True:
            raise fields.invalid("account takes true.")
        return Kind.ACCOUNT, ""

    return routes


def _shown(one: Revocation) -> dict[str, Any]:
    """`value` of a token is a digest."""
    return {"kind": one.kind, "value": one.value, "at": moment(one.at), "until": moment(one.until)}

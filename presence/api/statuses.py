"""`/Statuses`: what clients of an account may say of themselves (PR-20, PR-21)."""

from typing import Any

from flask import Blueprint, Response, jsonify

from foundation.sids import ACCOUNT
from presence import fields
from presence.access.callers import Kind
from presence.api.shared import Api, sid, stored
from presence.definitions.vocabulary import Vocabulary, absent
from presence.faults import Conflict
from presence.statuses import BUILT_IN, NAME, RANKS, RESERVED, StatusKind


def statuses(api: Api) -> Blueprint:
    routes = Blueprint("statuses", __name__, url_prefix="/v1/Accounts/<account_sid>/Statuses")
    vocabulary = Vocabulary(api.store)

    def owner(account_sid: str) -> None:
        api.access.asks(sid(account_sid, ACCOUNT), Kind.SERVICE, Kind.ACCOUNT)

    @routes.get("")
    def fetch_all(account_sid: str) -> Response:
        api.access.asks(sid(account_sid, ACCOUNT))
        found = [*BUILT_IN.values(), *vocabulary.all(account_sid)]
        return jsonify(statuses=[_shown(account_sid, one) for one in found])

    @routes.post("")
    def create(account_sid: str) -> tuple[Response, int]:
        owner(account_sid)
        body = fields.body()
        name = fields.text(body, "name", 64)
        if not NAME.match(name):
            raise fields.invalid("name takes a lowercase letter, then up to 63 of a-z, 0-9, _ and -")
        if name in RESERVED:
            raise Conflict(f"The status {name!r} is built in.")
        available = fields.flag(body, "available")
        kind = StatusKind(
            name=name,
            available=available,
            rank=fields.integer(body, "rank", *RANKS),
            voice=fields.flag(body, "voice", default=available),
            messages=fields.flag(body, "messages", default=available),
        )
        return jsonify(_shown(account_sid, stored(vocabulary.create(account_sid, kind, api.now())))), 201

    @routes.get("/<name>")
    def fetch(account_sid: str, name: str) -> Response:
        api.access.asks(sid(account_sid, ACCOUNT))
        if not NAME.match(name):
            raise absent(name)
        return jsonify(_shown(account_sid, vocabulary.find(account_sid, name)))

    @routes.post("/<name>")
    def change(account_sid: str, name: str) -> Response:
        owner(account_sid)
        _demand_own(name)
        body = fields.body()
        for fixed in ("available", "name"):
            if fixed in body:
                raise fields.invalid(f"{fixed} can't be changed; define another status.")
        meaning: dict[str, Any] = {}
        if "rank" in body:
            meaning["rank"] = fields.integer(body, "rank", *RANKS)
        meaning |= {one: fields.flag(body, one) for one in ("voice", "messages") if one in body}
        changed = vocabulary.change(account_sid, name, meaning, api.now())
        return jsonify(_shown(account_sid, stored(changed)))

    @routes.delete("/<name>")
    def delete(account_sid: str, name: str) -> tuple[str, int]:
        owner(account_sid)
        _demand_own(name)
        stored(vocabulary.delete(account_sid, name))
        return "", 204

    return routes


def _demand_own(name: str) -> None:
    if name in BUILT_IN:
        raise Conflict(f"The status {name!r} is built in and can't be changed.")
    if not NAME.match(name):
        raise absent(name)


def _shown(account_sid: str, one: StatusKind) -> dict[str, Any]:
    return {
        "account_sid": account_sid,
        "name": one.name,
        "available": one.available,
        "rank": one.rank,
        "voice": one.voice,
        "messages": one.messages,
        "built_in": one.name in BUILT_IN,
        "uri": f"/v1/Accounts/{account_sid}/Statuses/{one.name}",
    }

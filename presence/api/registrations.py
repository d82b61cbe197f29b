"""`/Clients/{name}/Registrations`: what client apps do with their own token (PR-10 to PR-17)."""

import json
import re
from typing import Any

from flask import Blueprint, Response, jsonify

from foundation.sids import REGISTRATION, new_sid
from presence import fields, rendering
from presence.access import Kind
from presence.api.shared import Api, stored
from presence.api.shared import sid as checked
from presence.registration import CAPABILITIES, HTTP_TTL, OFFLINE, TTL_LIMITS, Endpoint, expiry
from presence.tokens import Grant, demand_publish

ENDPOINT_ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}\Z")


def registrations(api: Api) -> Blueprint:
    routes = Blueprint("registrations", __name__, url_prefix="/v1")
    store, door = api.store, api.door

    def admitted(account_sid: str, client: str) -> Grant:
        """The grant of the bearer, who may register as this client; nothing was written before (PR-3)."""
        grant = api.access.asks(account_sid, Kind.CLIENT).grant
        assert grant is not None
        demand_publish(grant, account_sid, client)
        return grant

    @routes.post("/Accounts/<account_sid>/Clients/<client>/Registrations")
    def register(account_sid: str, client: str) -> tuple[Response, int]:
        now = api.now()
        grant = admitted(account_sid, client)
        body = fields.body()
        endpoint_id = fields.text(body, "endpoint_id", 64)
        if not ENDPOINT_ID.match(endpoint_id):
            raise fields.invalid("endpoint_id takes 1 to 64 of letters, digits and _ . : -")
        capabilities = _capabilities(body)
        if not capabilities:
            ended = store.unregister(account_sid, client, now, endpoint_id=endpoint_id)
            gone = stored(ended)
            door.dropped(gone)
            return jsonify(endpoint_id=endpoint_id, status=OFFLINE, capabilities=[]), 200
        ttl = fields.integer(body, "ttl", *TTL_LIMITS, default=HTTP_TTL)
        asked = Endpoint(
            account_sid=account_sid,
            client=client,
            endpoint_id=endpoint_id,
            sid=new_sid(REGISTRATION),
            capabilities=capabilities,
            priority=fields.integer(body, "priority", -1000, 1000, default=0),
            delivery=_delivery(body),
            incoming=grant.incoming,
            hidden=grant.permissions.hidden,
            key_sid=grant.key_sid,
            token_digest=grant.token_digest,
            token_id=grant.token_id,
            token_issued_at=grant.issued_at,
            token_expires_at=grant.expires_at,
            refreshed_at=now,
            expires_at=expiry(now, ttl, grant.expires_at),
        )
        based_on = fields.integer(body, "version", 0, 2**62) if "version" in body else None
        status, note = _status(body), fields.text(body, "note", 256, default="")
        accepted = stored(store.register(asked, now, status=status, note=note, based_on=based_on))
        door.dropped(accepted.registered.evicted)
        answer = rendering.registration(accepted, accepted.registered.endpoint)
        return jsonify(answer), 201 if accepted.registered.created else 200

    @routes.delete("/Accounts/<account_sid>/Clients/<client>/Registrations/<sid>")
    def unregister(account_sid: str, client: str, sid: str) -> tuple[str, int]:
        now = api.now()
        admitted(account_sid, client)
        ended = store.unregister(account_sid, client, now, sid=checked(sid, REGISTRATION))
        gone = stored(ended)
        door.dropped(gone)
        return "", 204

    return routes


def _status(body: dict[str, Any]) -> str | None:
    return fields.text(body, "status", 64) if "status" in body else None


def _capabilities(body: dict[str, Any]) -> tuple[str, ...]:
    given = fields.texts(body, "capabilities", len(CAPABILITIES), 16, default=["voice"])
    if not set(given) <= set(CAPABILITIES):
        raise fields.invalid(f"capabilities are some of {', '.join(CAPABILITIES)}.")
    return tuple(one for one in CAPABILITIES if one in given)


def _delivery(body: dict[str, Any]) -> str:
    given = body.get("delivery", {})
    packed = json.dumps(given)
    if not isinstance(given, dict) or len(packed) > 2048:
        raise fields.invalid("delivery must be an object of at most 2048 bytes.")
    return packed if given else ""
